"""The list of faults in `mutants.md` fits the code and the tests as they are now."""

import ast
import runpy

import pytest

MODULE = runpy.run_path(__file__.replace("test_mutants.py", "mutants.py"))
ROOT, Mutant, read_table = (MODULE[name] for name in ("ROOT", "Mutant", "read_table"))
MUTANTS = read_table()


def test_there_are_as_many_as_is_said_each_with_its_number():
    assert [mutant.number for mutant in MUTANTS] == list(range(1, 65))
    assert len({mutant.fault for mutant in MUTANTS}) == 64


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: str(mutant.number))
def test_a_fault_can_be_planted_and_its_test_exists(mutant):
    text = (ROOT / mutant.file).read_text(encoding="utf-8")
    changed = mutant.planted(text)
    assert changed != text
    ast.parse(changed)
    tree = ast.parse((ROOT / mutant.test_file).read_text(encoding="utf-8"))
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert mutant.test.partition("::")[2] in names


def test_rows_that_do_not_fit_are_named(tmp_path):
    mutant = Mutant(7, "a fault", "a.py", "x = 1", "x = 2", "test_a.py::test_x")
    assert mutant.planted("x = 1\n") == "x = 2\n"
    for text, count in (("y = 1", 0), ("x = 1; x = 1", 2)):
        with pytest.raises(ValueError, match=f"fault 7: a.py has 'x = 1' {count} times, not once"):
            mutant.planted(text)
    table = tmp_path / "mutants.md"
    table.write_text("| 1 | a fault | `a.py` | x = 1 | `test_a.py` |\n")
    with pytest.raises(ValueError, match="not in the form of the other rows"):
        read_table(table)
