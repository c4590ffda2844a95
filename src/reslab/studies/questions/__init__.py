"""The questions that ResLab brings, one a file; each is registered here, in the order of a report."""

from reslab.studies.question import Question
from reslab.studies.questions import (
    batch_size,
    data_size,
    degradation,
    depth,
    epochs,
    fidelity,
    learning_rate,
    shortcuts,
)

QUESTIONS: dict[str, Question] = {
    module.QUESTION.name: module.QUESTION
    for module in (depth, learning_rate, epochs, data_size, batch_size, degradation, shortcuts, fidelity)
}
