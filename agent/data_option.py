"""The user's own examples, the teacher and the model to be taught, as named beside a request on the command line or in Python."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..state.errors import RequestError

if TYPE_CHECKING:
    from ..state.brief import DataSource, TeacherSource


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What options of the command line name beside a request."""

    data: str | None = None
    test: str | None = None
    unlabelled: str | None = None
    skip_bad_rows: bool = False
    teacher: str | None = None
    teacher_price: tuple[float, float] | None = None
    student: str | None = None

    def sources(self, has_brief: bool) -> tuple[DataSource | None, TeacherSource | None, str | None]:
        """The data, the teacher and the folder of the student; None where none is named. Raises RequestError for contradictions."""
        problems: list[str] = []
        if self.data is None and (self.test or self.unlabelled or self.skip_bad_rows):
            problems.append("--test, --unlabelled and --skip-bad-rows go with --data FILE")
        if self.teacher is None and self.teacher_price is not None:
            problems.append("--teacher-price goes with --teacher NAME")
        problems += beside_a_brief(self.data, self.teacher, self.student) if has_brief else []
        if problems:
            raise RequestError(problems)
        return self._data(), self._teacher(), self.student

    def _data(self) -> DataSource | None:
        from ..state.brief import DataSource

        if self.data is None:
            return None
        return DataSource(path=self.data, test=self.test, unlabelled=self.unlabelled, skip_bad_rows=self.skip_bad_rows)

    def _teacher(self) -> TeacherSource | None:
        from ..state.brief import TeacherSource

        return None if self.teacher is None else TeacherSource(name=self.teacher, usd_per_million=self.teacher_price)


def beside_a_brief(data: object, teacher: object, student: object) -> list[str]:
    """What stands beside a brief and must stand in it, one line each."""
    named = (("data", data, "{path: FILE}"), ("teacher", teacher, "{name: NAME}"), ("student", student, "FOLDER"))
    return [
        f"--{name} goes with a request in words; in a YAML brief write {name}: {how}"
        for name, given, how in named
        if given is not None
    ]
