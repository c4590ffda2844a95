"""How deep the tests go, by RESLAB_TEST_PROFILE: `quick`, which is the default, or `deep`, as in `.ci/run`.

The profile sets how many examples a hypothesis test tries; where an example takes long, `max_examples=EXAMPLES // 5`.
What is too long for `make test` is marked `@pytest.mark.deep` and has a quick sibling that catches the same faults.
A test that can be of any length asks `DEEP`.
"""

import os
from typing import Final

from hypothesis import settings

VARIABLE: Final = "RESLAB_TEST_PROFILE"
PROFILES: Final = {"quick": 100, "deep": 1000}

PROFILE: Final = os.environ.get(VARIABLE) or "quick"
if PROFILE not in PROFILES:
    raise ValueError(f"{VARIABLE} is {PROFILE!r}: it must be one of {', '.join(PROFILES)}")
DEEP: Final = PROFILE == "deep"
EXAMPLES: Final = PROFILES[PROFILE]
WHY_SKIPPED: Final = f"deep: runs in .ci/run, or with {VARIABLE}=deep"

settings.register_profile(PROFILE, max_examples=EXAMPLES, deadline=None)  # a busy machine is slow, not wrong
settings.load_profile(PROFILE)
