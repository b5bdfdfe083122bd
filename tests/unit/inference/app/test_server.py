"""Starting and stopping the page; what it shows is tested in a browser."""

import gc
import os
import socket
import subprocess
import sys
from http.client import HTTPConnection

import pytest

from fakeforensics.errors import UserError
from fakeforensics.inference.inputs import UploadLimits

pytestmark = [
    pytest.mark.slow,
    # gradio and its server use deprecated functions
    pytest.mark.filterwarnings("default"),
]


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_a_stop_by_signal_leaves_nothing_behind(with_onnx, tmp_path, port):
    code = "from fakeforensics.cli import main; main()"
    command = [sys.executable, "-c", code, "serve", "--model", with_onnx.directory, "--port", str(port)]
    # Nothing answers at the proxy: the server asks nobody whether it runs.
    environment = os.environ | {"TMPDIR": str(tmp_path), "HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": ""}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert f"Serving p/joint at http://127.0.0.1:{port}/" in server.stdout.readline()
        assert len(list(tmp_path.glob("fakeforensics-*"))) == 1
        answers = {}
        for host in (f"localhost:{port}", "faces.example.org"):
            connection = HTTPConnection("127.0.0.1", port)
            connection.request("GET", "/", headers={"Host": host})
            answers[host] = connection.getresponse().status
            connection.close()
        assert list(answers.values()) == [200, 403]
        server.terminate()
        assert server.wait(timeout=60) == 0
    assert not list(tmp_path.glob("fakeforensics-*"))


def test_a_port_that_is_taken_is_an_error_and_leaves_nothing_behind(package, tmp_path, monkeypatch):
    from fakeforensics.inference.app import server

    monkeypatch.setattr(server.tempfile, "tempdir", str(tmp_path))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        page = server.running_page(package, server.Address(port=taken.getsockname()[1]), UploadLimits())
        with pytest.raises(UserError, match="cannot listen at"), page:
            pass
    assert not list(tmp_path.iterdir())
    gc.collect()  # sockets that gradio leaves open are reported here, not in another file's tests
