"""tools/ci/results counts what JUnit files say, and why tests were skipped."""

import subprocess

from conftest import TOOLS

CTEST = """<?xml version="1.0"?>
<testsuite tests="6" failures="1" skipped="3">
  <testcase name="a" status="run"><system-out>fine</system-out></testcase>
  <testcase name="b" status="fail"><failure message=""/><system-out>skipped: no, it failed</system-out></testcase>
  <testcase name="c" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/><system-out>skipped: this CPU lacks avx512
</system-out></testcase>
  <testcase name="d" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/><system-out>skipped: this CPU lacks avx512
more</system-out></testcase>
  <testcase name="e" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/><system-out>qemu-arm is not installed
</system-out></testcase>
  <testcase name="f" status="disabled"/>
</testsuite>"""
PYTEST = """<testsuites><testsuite><testcase name="a"/><testcase name="b"><error message="x"/></testcase>
<testcase name="c"><skipped type="pytest.skip" message="no data"/></testcase></testsuite></testsuites>"""


def test_results_and_reasons(tmp_path):
    (tmp_path / "ctest.xml").write_text(CTEST)
    (tmp_path / "pytest.xml").write_text(PYTEST)
    done = subprocess.run(
        [TOOLS / "ci/results", tmp_path / "ctest.xml", tmp_path / "pytest.xml"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "2 2 5"
    assert lines[1] == "2\tthis CPU lacks avx512"
    assert sorted(lines[2:]) == ["1\tdisabled", "1\tno data", "1\tqemu-arm is not installed"]


def test_what_is_not_xml_is_an_error(tmp_path):
    (tmp_path / "bad.xml").write_text("no XML")
    assert subprocess.run([TOOLS / "ci/results", tmp_path / "bad.xml"], capture_output=True).returncode != 0
