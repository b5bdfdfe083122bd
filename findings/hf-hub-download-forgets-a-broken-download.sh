#!/usr/bin/env bash
# huggingface_hub 2.4.0: when a download to `local_dir` breaks off and the retries within one call of
# hf_hub_download are used up, the part that has arrived is deleted. The next call starts at byte 0, although
# the server answers range requests and the retries within the call do resume. http_get, which
# hf_hub_download calls itself, keeps nothing by itself but accepts `resume_size`, so a caller can resume.
#
# Seen on x86-64 Linux with Python 3.11: five range requests from byte 1,000,000 in the first call, no file
# left, then a request without a range. Exits with 0 while this holds, with 1 when it has changed.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check huggingface_hub==2.4.0
HF_HUB_DISABLE_PROGRESS_BARS=1 HF_HUB_DISABLE_TELEMETRY=1 "$folder/venv/bin/python" - "$folder/out" <<'PYTHON'
import hashlib
import logging
import random
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub
from huggingface_hub import file_download, hf_hub_download

logging.getLogger("huggingface_hub").disabled = True
file_download.time.sleep = lambda seconds: None  # do not wait between the retries
file_download.constants.DOWNLOAD_CHUNK_SIZE = 100_000  # write what arrives often
DATA = random.Random(0).randbytes(3_000_000)
SHA256 = hashlib.sha256(DATA).hexdigest()
serves = {"until": 1_000_000}
asked = []


class Hub(BaseHTTPRequestHandler):
    """Answers as the hub does for one file, and breaks off at a byte."""

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("X-Repo-Commit", "a" * 40)
        self.send_header("ETag", f'"{SHA256}"')
        self.send_header("Content-Length", str(len(DATA)))
        self.end_headers()

    def do_GET(self):
        wanted = self.headers.get("Range", "")
        asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(DATA) - start))
        self.end_headers()
        self.wfile.write(DATA[start : serves["until"]])

    def log_message(self, *arguments):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
threading.Thread(target=server.serve_forever, daemon=True).start()
out = Path(sys.argv[1])


def download():
    try:
        endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        return hf_hub_download("owner/name", "data.zip", repo_type="dataset", local_dir=out, endpoint=endpoint)
    except Exception as error:
        return type(error).__name__


print("huggingface_hub", huggingface_hub.__version__)
print("first call:", download(), asked)
left = [path.stat().st_size for path in out.rglob("*") if path.is_file() and path.stat().st_size >= 100_000]
print("bytes kept of the 1,000,000 that arrived:", sum(left))
resumed_within = any(wanted.startswith("bytes=1000000") for wanted in asked)
asked.clear()
serves["until"] = len(DATA)
print("second call:", Path(download()).name, asked)
holds = resumed_within and not left and asked[:1] == [""] and (out / "data.zip").read_bytes() == DATA
sys.exit(0 if holds else 1)
PYTHON
