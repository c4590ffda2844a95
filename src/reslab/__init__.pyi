from reslab.errors import CheckpointError as CheckpointError
from reslab.errors import DamagedError as DamagedError
from reslab.errors import DataError as DataError
from reslab.errors import LockedError as LockedError
from reslab.errors import ReplacedError as ReplacedError
from reslab.errors import ResLabError as ResLabError
from reslab.errors import ShareError as ShareError
from reslab.errors import UnreadableError as UnreadableError
from reslab.recipe import Recipe as Recipe
from reslab.recipe import stretch as stretch
from reslab.recipe import vary as vary
from reslab.session.comparison import Comparison as Comparison
from reslab.session.door import compare as compare
from reslab.session.door import evaluate as evaluate
from reslab.session.door import preset as preset
from reslab.session.door import runs as runs
from reslab.session.door import study as study
from reslab.session.door import train as train
from reslab.session.evaluation import Evaluation as Evaluation
from reslab.session.run import Run as Run
from reslab.session.runs import Runs as Runs
from reslab.session.sharing import pull as pull
from reslab.session.sharing import push as push
from reslab.session.sharing import verify as verify
from reslab.session.study import Study as Study

__version__: str
__all__: list[str]
