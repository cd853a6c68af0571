import json
import subprocess
import sys

_SCRIPT = """
import logging, structlog
from serving.log import configure_log
log = configure_log()
log.info("service.started", n=1)
log.debug("not.shown")
try:
    try:
        raise ValueError("customer C-0192 of Mary")
    except ValueError as error:
        raise KeyError("C-0192") from error
except KeyError as error:
    log.error("request.failed", exc_info=error)
logging.getLogger("uvicorn.error").warning("Invalid request of %s", "Mary")
logging.getLogger("uvicorn.error").info("not shown")
structlog.get_logger().info("path.told", path=__import__("pathlib").Path("x"))
"""


def test_every_line_is_json_and_no_error_quotes_what_it_was_given() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True, timeout=60
    )
    lines = [json.loads(line) for line in ran.stderr.splitlines()]

    assert [line["event"] for line in lines] == [
        "service.started",
        "request.failed",
        "library.said",
        "path.told",
    ]
    assert all({"level", "timestamp"} <= line.keys() for line in lines)
    assert [error["kind"] for error in lines[1]["exception"]] == [
        "builtins.KeyError",
        "builtins.ValueError",
    ]
    assert lines[1]["exception"][0]["at"] == ["<string>:11 <module>"]
    assert lines[2]["message"] == "Invalid request of %s"
    assert "Mary" not in ran.stderr
    assert "C-0192" not in ran.stderr
