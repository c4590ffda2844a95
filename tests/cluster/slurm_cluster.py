"""A Slurm cluster on this machine, made for a test: its own daemons, its own key, two nodes of two processors."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")

CONFIGURATION = """\
ClusterName=reslab
SlurmctldHost=localhost
SlurmctldPort={controller}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={root}/munge.socket,cred_expire=2
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=2,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/%n.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/%n.log
ReturnToService=2
SlurmdTimeout=5
KillWait=5
NodeName=n1 NodeHostname=localhost Port={first} CPUs=2
NodeName=n2 NodeHostname=localhost Port={second} CPUs=2
PartitionName=low Nodes=ALL Default=YES PriorityTier=1 PreemptMode=REQUEUE GraceTime=20 State=UP
PartitionName=high Nodes=ALL PriorityTier=10 PreemptMode=OFF State=UP
"""


def missing() -> str:
    """Return why there can be no cluster here, or nothing."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    lacking = [name for name in (*DAEMONS, "sbatch") if shutil.which(name, path=path) is None]
    return f"needs {', '.join(lacking)} (make test-cluster installs Slurm)" if lacking else ""


@dataclass
class Cluster:
    """What of it a test takes hold of."""

    root: Path

    def run(self, *command: str) -> str:
        """Return what one of Slurm's commands prints."""
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    def kill_node(self, name: str) -> None:
        """End a node as a power cut would: its daemon, and whatever it runs."""
        for pid in _of_node(self.root, name):
            _kill(pid)

    def start_node(self, name: str) -> None:
        """Start a node's daemon."""
        (self.root / name).mkdir(exist_ok=True)
        subprocess.run(["slurmd", "-N", name], check=True, timeout=60)


def _of_node(root: Path, name: str) -> list[int]:
    """Return the node's processes, the deepest first."""
    pid_file = root / f"{name}.pid"
    found = [int(pid_file.read_text())] if pid_file.exists() else []
    children: dict[int, list[int]] = {}
    steps: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, parent = int(stat.parent.name), int(stat.read_text().rpartition(")")[2].split()[1])
            command = (stat.parent / "environ").read_bytes() + (stat.parent / "cmdline").read_bytes()
        except (OSError, ValueError):
            continue
        children.setdefault(parent, []).append(pid)
        if f"SLURMD_NODENAME={name}".encode() in command:
            steps.append(pid)
            found.append(parent)  # slurmstepd itself
    for pid in [*steps]:
        steps += children.get(pid, [])
    return [*steps, *[pid for pid in found if pid > 1 and _is_slurm(pid)]]


def _is_slurm(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().startswith("slurm")
    except OSError:
        return False


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        return


@contextmanager
def slurm_cluster(root: Path) -> Iterator[Cluster]:
    """Start the daemons below `root`, whose path must be short, and end them with all that they run."""
    user = getpass.getuser()
    (root / "state").mkdir(parents=True)
    key = root / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    root.chmod(0o755)
    controller, first, second = (_free_port() for _ in range(3))
    configuration = root / "slurm.conf"
    configuration.write_text(
        CONFIGURATION.format(root=root, user=user, controller=controller, first=first, second=second)
    )
    before = dict(os.environ)
    os.environ["SLURM_CONF"] = str(configuration)
    os.environ["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    cluster = Cluster(root)
    munge = ["munged", "--force", f"--key-file={key}", f"--socket={root}/munge.socket", f"--pid-file={root}/munge.pid"]
    try:
        subprocess.run(
            [*munge, f"--log-file={root}/munge.log", f"--seed-file={root}/munge.seed"], check=True, timeout=60
        )
        subprocess.run(["slurmctld", "-i"], check=True, timeout=60)
        for name in ("n1", "n2"):
            cluster.start_node(name)
        end = time.monotonic() + 60
        while cluster.run("sinfo", "-h", "-o", "%t %D").split()[:2] != ["idle", "2"]:
            assert time.monotonic() < end, cluster.run("sinfo") + (root / "slurmctld.log").read_text()
            time.sleep(0.2)
        yield cluster
    finally:
        for name in ("n1", "n2"):
            cluster.kill_node(name)
        for pid_file in (root / "slurmctld.pid", root / "munge.pid"):
            if pid_file.exists():
                _kill(int(pid_file.read_text()))
        os.environ.clear()
        os.environ.update(before)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
