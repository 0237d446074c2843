"""The list of mutations fits the code of today; `mutations.py` itself takes long."""

import pytest

from tests.faults.mutations import MUTATIONS, ROOT


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_what_a_mutation_changes_is_there_once_and_so_are_its_tests(mutation):
    assert (ROOT / mutation.file).read_text().count(mutation.old) == 1
    file, _, name = mutation.tests.partition("::")
    assert f"def {name or 'test_'}" in (ROOT / file).read_text()
