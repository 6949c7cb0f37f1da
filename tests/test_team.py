"""A cache that a team shares: what a colleague has run is downloaded, not run again."""

import re

import boto3
import pytest
from moto.server import ThreadedMotoServer
from small import Clone, shared

MADE_UP = {
    "AWS_ACCESS_KEY_ID": "made-up",
    "AWS_SECRET_ACCESS_KEY": "made-up",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@pytest.fixture
def folder_remote(tmp_path):
    return {"url": str(tmp_path / "shared")}


@pytest.fixture
def s3_remote(monkeypatch):
    for name, value in MADE_UP.items():
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="team")
    yield {"url": "s3://team/cache", "endpointurl": endpoint}
    server.stop()


def dvc(clone, *command):
    done = clone.run("dvc", *command)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def fewer_epochs(params):
    params["datasets"]["digits"]["kfold"]["epochs"] = 2


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A clone in which everything has run."""
    return shared(tmp_path_factory, tmp_path_factory.mktemp("team") / "mine")


@pytest.mark.parametrize(
    "remote", [pytest.param("folder_remote", marks=pytest.mark.slow), "s3_remote"]
)
def test_a_colleague_downloads_what_was_run_in_place_of_running_it(ran, remote, request, tmp_path):
    remote = request.getfixturevalue(remote)
    mine = Clone.copy(ran, tmp_path / "mine")
    dvc(mine, "remote", "add", "--force", "--default", "team", remote["url"])
    if "endpointurl" in remote:
        dvc(mine, "remote", "modify", "team", "endpointurl", remote["endpointurl"])
    mine.commit()
    dvc(mine, "push", "--run-cache")
    state = mine.state()

    # What is committed comes with the clone and `dvc pull`.
    colleague = Clone.of(mine, tmp_path / "colleague")
    dvc(colleague, "pull")
    assert colleague.repro() == []
    assert colleague.state() == state

    # What was only tried comes with the run cache, when the same is asked for.
    mine.edit(fewer_epochs)
    assert mine.repro() == ["kfold@digits", "evaluate@digits"]
    dvc(mine, "push", "--run-cache")
    tried = mine.state()
    assert tried != state
    colleague.edit(fewer_epochs)
    dvc(colleague, "pull", "--run-cache")
    output = dvc(colleague, "repro", "--pull")
    assert "Stage 'kfold@digits' is cached - skipping run" in output
    assert re.findall(r"Running stage '(\S+)'", output) == ["evaluate@digits"], (
        "which takes a second and trains nothing"
    )
    assert colleague.state() == tried
