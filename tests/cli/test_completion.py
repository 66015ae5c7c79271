"""The shell asks the program itself how a word goes on."""

import os
import subprocess
import sys


def test_bash_completes_a_command():
    asked = {"_TEXTCNN_COMPLETE": "complete_bash", "COMP_WORDS": "textcnn cl", "COMP_CWORD": "1"}
    code = "import sys; sys.argv = ['textcnn']; from textcnn_cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, **asked}, capture_output=True, text=True)
    assert done.stdout.split() == ["classify"], done.stderr
