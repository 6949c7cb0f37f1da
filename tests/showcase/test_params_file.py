"""params.yaml as it is shipped explains itself, and the shipped variants change it."""

import copy
import re

import pytest
import yaml
from small import ROOT

from stages.core.declared import params
from tools import variants

NAMED = variants.named()
PLAIN = yaml.safe_load((ROOT / "params.yaml").read_text())


def test_each_key_of_params_yaml_has_a_comment_once():
    lines = (ROOT / "params.yaml").read_text().splitlines()
    explained = {line.split(":")[0].strip() for line in lines if "#" in line}
    keys = {line.split(":")[0].strip() for line in lines if re.match(r" *[a-z_0-9]+:", line)}
    trivial = {"data", "preprocess", "model", "kfold", "learning_rate"}
    assert keys - explained - trivial == set()


def with_settings(settings):
    """params.yaml with the settings of a variant."""
    tree = copy.deepcopy(PLAIN)
    for setting in settings:
        path, _, value = setting.partition("=")
        *parents, key = path.lstrip("+~").split(".")
        section = tree
        for parent in parents:
            section = section.setdefault(parent, {}) if setting.startswith("+") else section[parent]
        is_new = path.startswith("+")
        assert (key in section) != is_new, f"-S {setting} would be refused"
        if path.startswith("~"):
            del section[key]
        else:
            section[key] = yaml.safe_load(value)
    return tree


@pytest.mark.parametrize("name", NAMED)
def test_each_variant_is_a_change_that_the_pipeline_takes(name):
    tree = with_settings(NAMED[name])
    params.parse(yaml.safe_dump(tree))
    assert (tree == PLAIN) == (name == "original")
