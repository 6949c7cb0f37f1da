"""params.yaml as it is shipped explains itself."""

import re

from small import ROOT


def test_each_key_of_params_yaml_has_a_comment_once():
    lines = (ROOT / "params.yaml").read_text().splitlines()
    explained = {line.split(":")[0].strip() for line in lines if "#" in line}
    keys = {line.split(":")[0].strip() for line in lines if re.match(r" *[a-z_0-9]+:", line)}
    trivial = {"data", "preprocess", "model", "kfold", "learning_rate"}
    assert keys - explained - trivial == set()
