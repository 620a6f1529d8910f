"""What people train: families of jobs, named and shaped as SDKs, pipelines and tuners do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random
from typing import Any, NamedTuple

from exporter.simulator.job import JobSpec, Place

_IMAGE = "763104351884.dkr.ecr.{region}.amazonaws.com/pytorch-training:2.3-cpu"


class Naming(NamedTuple):
    """What a name is made of; the session has a hexadecimal id and numbers its jobs from 1."""

    base: str
    created: datetime
    session: str
    number: int
    chance: Random


class Habits(NamedTuple):
    """How a family works.

    Attributes:
        minutes: The median length of a job.
        jobs: The largest number of jobs in a session.
        failing: The share of jobs that fail.
        weight: How often it works, relative to the others.
        pause: The median pause between the jobs of a session, in minutes.
        parallel: Whether the jobs of a session run at once, as a tuner's do.
    """

    minutes: float
    jobs: int
    failing: float
    weight: float
    pause: float = 1
    parallel: bool = False


@dataclass(frozen=True, slots=True)
class Family:
    """Jobs that belong together.

    Attributes:
        base: The part that all names share.
        named: Makes a job's name.
        specs: What the jobs request; each session takes one.
        tags: Their tags.
        habits: How often, how long and how well they run.
    """

    base: str
    named: Callable[[Naming], str]
    specs: tuple[JobSpec, ...]
    tags: Mapping[str, str]
    habits: Habits


FAILURES: tuple[tuple[str, float], ...] = (
    # A command line, with the secrets that people put there, as real failure reasons quote it.
    (
        'AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage "RuntimeError: CUDA out '
        'of memory. Tried to allocate 2.00 GiB"\nCommand "/opt/conda/bin/python3.11 train.py '
        '--epochs 20 --api_key sk-standin-51HxYz0000000000 --password hunter2-standin", '
        "exit code: 1",
        0.35,
    ),
    ("AlgorithmError: , exit code: 1", 0.25),
    ("ClientError: Data download failed: NoSuchKey: The specified key does not exist.", 0.15),
    ("InternalServerError: We encountered an internal error. Please try again.", 0.1),
    ("CapacityError: Unable to provision requested ML compute capacity. Please retry.", 0.15),
)
"""Why jobs fail, and the share of each reason. A job with the last reason never starts."""

NEVER_STARTED = FAILURES[-1][0]


def sdk_name(name: Naming) -> str:
    """Return a name as the Python SDK makes it: the base and the time to the millisecond."""
    stamp = name.created.strftime("%Y-%m-%d-%H-%M-%S")
    return f"{name.base}-{stamp}-{name.created.microsecond // 1000:03d}"


def pipeline_name(name: Naming) -> str:
    """Return a name as Pipelines makes it: the execution, the step and a token."""
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    token = "".join(name.chance.choices(letters, k=10))
    return f"pipelines-{name.session:0<12.12}-{name.base}-{token}"


def step_name(name: Naming) -> str:
    """Return a name as hand-written pipelines make it: base, execution, token, number."""
    token = f"{name.chance.getrandbits(24):06x}"
    return f"{name.base}-{name.session:0<7.7}-{token}-{name.number}"


def tuning_name(name: Naming) -> str:
    """Return a name as a tuning job makes it."""
    return f"{name.base}-{name.number:03d}-{name.chance.getrandbits(32):08x}"


def counted_name(name: Naming) -> str:
    """Return a name as a cron job makes it: the base and a number that grows with time."""
    return f"{name.base}-{int(name.created.timestamp() * 1000) // 100_000}"


def families(place: Place, variants: int) -> list[Family]:
    """Return the families of an account and region.

    Args:
        place: The account and region.
        variants: The number of variants of each: a large account has more teams, not only
            more jobs.
    """
    return [_variant(each, place, number) for number in range(variants) for each in _CATALOGUE]


def _group(name: str, instance_type: str, count: int) -> Mapping[str, Any]:
    return {"InstanceType": instance_type, "InstanceCount": count, "InstanceGroupName": name}


_CATALOGUE: tuple[Family, ...] = (
    Family(
        "resnet",
        sdk_name,
        (
            JobSpec("ml.g4dn.xlarge", volume_size_gb=50, keep_alive_seconds=1800),
            JobSpec("ml.g5.xlarge", volume_size_gb=50, keep_alive_seconds=3600),
        ),
        {"team": "vision", "project": "shelf-scan"},
        Habits(minutes=25, jobs=9, failing=0.12, weight=4, pause=8),
    ),
    Family(
        "PreprocessorTraining",
        pipeline_name,
        (JobSpec("ml.m5.xlarge", keep_alive_seconds=3600),),
        {"team": "forecasting", "cost-center": "4711"},
        Habits(minutes=6, jobs=3, failing=0.04, weight=5, pause=20),
    ),
    Family(
        "TrainForecaster",
        pipeline_name,
        (JobSpec("ml.m5.2xlarge", 2, keep_alive_seconds=1800),),
        {"team": "forecasting", "cost-center": "4711"},
        Habits(minutes=40, jobs=2, failing=0.05, weight=3, pause=12),
    ),
    Family(
        "bert-ft",
        step_name,
        (
            JobSpec(
                "ml.p4d.24xlarge",
                volume_size_gb=500,
                keep_alive_seconds=900,
                hyperparameters={"hf_token": '"hf_standin00000000000000"', "epochs": "3"},
                environment={"WANDB_API_KEY": "standin-3f5c9a00wandb", "STAGE": "prod"},
            ),
            JobSpec("ml.g5.12xlarge", volume_size_gb=200, keep_alive_seconds=1800),
        ),
        {"team": "language", "project": "assistant"},
        Habits(minutes=75, jobs=3, failing=0.18, weight=2, pause=9),
    ),
    Family(
        "hpo",
        tuning_name,
        (JobSpec("ml.c5.2xlarge"), JobSpec("ml.m5.4xlarge")),
        {"team": "ranking"},
        Habits(minutes=12, jobs=20, failing=0.08, weight=1.5, parallel=True),
    ),
    Family(
        "nightly",
        counted_name,
        (JobSpec("ml.m5.xlarge", keep_alive_seconds=21_600),),
        {"team": "ranking", "schedule": "nightly"},
        Habits(minutes=18, jobs=1, failing=0.03, weight=2),
    ),
    Family(
        "detector-spot",
        sdk_name,
        (
            JobSpec("ml.g5.2xlarge", managed_spot=True, volume_size_gb=100),
            JobSpec("ml.p3.2xlarge", managed_spot=True, volume_size_gb=100),
        ),
        {"team": "vision"},
        Habits(minutes=90, jobs=4, failing=0.1, weight=1.5, pause=30),
    ),
    Family(
        "llm-pretrain",
        sdk_name,
        (
            JobSpec(
                "ml.p5.48xlarge",
                4,
                volume_size_gb=1000,
                training_plan_arn="arn:aws:sagemaker:{region}:{account}:training-plan/p5-reserved",
                encrypt_traffic=True,
            ),
        ),
        {"team": "language", "project": "base-model"},
        Habits(minutes=600, jobs=1, failing=0.2, weight=0.2),
    ),
    Family(
        "hetero",
        sdk_name,
        (
            JobSpec(
                None, None, (_group("gpu", "ml.g5.xlarge", 1), _group("data", "ml.c5.2xlarge", 2))
            ),
        ),
        {"team": "vision"},
        Habits(minutes=50, jobs=2, failing=0.1, weight=0.5, pause=20),
    ),
    Family(
        "scratch",
        sdk_name,
        (JobSpec("ml.m5.xlarge", keep_alive_seconds=600),),
        {},
        Habits(minutes=4, jobs=12, failing=0.25, weight=3, pause=6),
    ),
    Family(
        "secure-risk",
        sdk_name,
        (
            JobSpec(
                "ml.m5.4xlarge",
                keep_alive_seconds=1800,
                subnets=("subnet-0a1b2c3d4e5f60718", "subnet-0a1b2c3d4e5f60719"),
                security_group_ids=("sg-0a1b2c3d4e5f60718",),
                volume_kms_key_id="arn:aws:kms:{region}:{account}:key/1234abcd-12ab-34cd-56ef-1234567890ab",
                encrypt_traffic=True,
                network_isolation=True,
                role_arn="arn:aws:iam::{account}:role/risk-training",
            ),
        ),
        {"Team": "risk", "data-class": "confidential"},
        Habits(minutes=30, jobs=4, failing=0.06, weight=1.5, pause=15),
    ),
)


def _variant(family: Family, place: Place, number: int) -> Family:
    suffix = ""
    if number:
        suffix = f"{number}" if family.named is pipeline_name else f"-v{number}"
    specs = tuple(_placed(spec, place) for spec in family.specs)
    return replace(family, base=family.base + suffix, specs=specs)


def _placed(spec: JobSpec, place: Place) -> JobSpec:
    """Fill the account and the region into the names of a specification."""

    def filled(name: str | None) -> str | None:
        return name and name.format(account=place.account_id, region=place.region)

    return replace(
        spec,
        training_image=_IMAGE.format(region=place.region),
        training_plan_arn=filled(spec.training_plan_arn),
        volume_kms_key_id=filled(spec.volume_kms_key_id),
        role_arn=filled(spec.role_arn),
    )
