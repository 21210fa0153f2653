"""Skills of the user's own: found beside the built-in ones, and refused in one message where they are none."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from stratos.skills import built_in, load, names, skill_folder
from stratos.skills.skeleton.writing import write_skill
from stratos.skills.users import SKILLS_VARIABLE, use_workspace, user_folders, variable_for_jobs
from stratos.state.errors import OutputError, RequestError
from stratos.tools.jobs import process_environment


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(SKILLS_VARIABLE, str(tmp_path / "mine"))
    return tmp_path / "mine"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.delenv(SKILLS_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    use_workspace(tmp_path / "space")
    yield tmp_path / "space"
    use_workspace(tmp_path / "gone")


def test_a_skeleton_is_a_skill_as_any_other(folder: Path) -> None:
    files = write_skill("greetings", folder, names())
    assert [path.name for path in files] == ["SKILL.md", "skill.py", "test_skill.py"]
    assert names() == sorted([*built_in(), "greetings"])
    skill = load("greetings")
    (example,) = skill.make("largest", seed=0, block=0, count=1)
    assert skill.verify("largest", example.prompt, skill.completion(example, rationale=True)).exact
    assert "skeleton" not in "".join(path.read_text(encoding="utf-8") for path in files).lower()


def test_the_skeletons_own_test_passes(folder: Path) -> None:
    write_skill("greetings", folder, names())
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder / "greetings")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert (ended.returncode, "7 passed" in ended.stdout) == (0, True), ended.stdout


def test_the_skeletons_verifier_knows_a_false_way_from_none(folder: Path) -> None:
    write_skill("greetings", folder, names())
    prompt, verify = "largest 3 9 1 4 12 0 7 7", load("greetings").verify
    said = {
        text: verify("largest", prompt, text)
        for text in ("3 9 9 9 12 12 12 12 = 12", "= 12", "3 3 9 9 12 12 12 12 = 12", "= 9")
    }
    assert [(one.exact, one.answer_right) for one in said.values()] == [
        (True, True),
        (True, True),
        (False, True),
        (False, False),
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mahjong", "'mahjong' is taken"),
        ("given", "'given' is taken"),
        ("Greetings", "cannot name a skill: lower-case letters"),
        ("../up", "cannot name a skill"),
        ("a" * 33, "at most 32"),
    ],
)
def test_names_that_are_taken_or_invalid_are_one_message(folder: Path, name: str, said: str) -> None:
    with pytest.raises(RequestError) as refused:
        write_skill(name, folder, names())
    assert len(refused.value.problems) == 1
    assert said in refused.value.problems[0]
    assert not folder.exists()


def test_what_is_there_is_not_written_over(folder: Path) -> None:
    (folder / "greetings").mkdir(parents=True)
    with pytest.raises(OutputError, match="exists"):
        write_skill("greetings", folder, names())


def test_a_users_skill_cannot_take_the_place_of_a_built_in_one(folder: Path) -> None:
    write_skill("greetings", folder, names())
    (folder / "greetings").rename(folder / "mahjong")
    with pytest.raises(RequestError, match=r"mine/mahjong has the name of the skill in .*: rename it"):
        names()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("SKILL = 1 +", "cannot be loaded: SyntaxError"),
        ("raise SystemError('no')", "cannot be loaded: SystemError: no"),
        ("", "needs a SKILL that is a skill; it lacks name, description"),
        (
            "from stratos.skills import load\nSKILL = load('mahjong')",
            "SKILL.name must be 'broken', and needs_data False",
        ),
    ],
)
def test_code_that_is_no_skill_is_told_with_its_file(folder: Path, code: str, said: str) -> None:
    (folder / "broken").mkdir(parents=True)
    (folder / "broken" / "SKILL.md").touch()
    (folder / "broken" / "skill.py").write_text(code, encoding="utf-8")
    with pytest.raises(RequestError) as refused:
        load("broken")
    assert str(folder / "broken" / "skill.py") in refused.value.problems[0]
    assert said in refused.value.problems[0]


def test_skills_lie_in_the_workspace_unless_the_variable_says_otherwise(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_skill("greetings", user_folders()[0], names())
    assert skill_folder("greetings") == workspace / "skills" / "greetings"
    assert process_environment()[SKILLS_VARIABLE] == str(workspace / "skills")
    monkeypatch.setenv(SKILLS_VARIABLE, f"one:{workspace / 'two'}")
    assert user_folders() == [Path("one").absolute(), workspace / "two"]
    assert variable_for_jobs()[SKILLS_VARIABLE].split(":") == list(map(str, user_folders()))
    assert "greetings" not in names()
