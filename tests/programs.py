"""Programs of the machine that a test needs: left out by name, in CI a failure."""

import os
import shutil

import pytest


def program(name, package="", *, path=None):
    """Its path."""
    if found := shutil.which(name, path=path):
        return found
    text = f"{name} is missing: apt-get install -y {package or name}"
    return (pytest.fail if os.environ.get("CI") else pytest.skip)(text)
