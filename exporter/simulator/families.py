"""What people train: families of jobs as SDKs, pipelines and tuners name and shape them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random
from typing import Any

from exporter.simulator.job import JobSpec

_IMAGES = "763104351884.dkr.ecr.{region}.amazonaws.com"

Naming = Callable[[str, Random, datetime, str, int], str]
"""From base, chance, creation time, session id and number within the session to a name."""


@dataclass(frozen=True, slots=True)
class Family:
    """Jobs that belong together.

    Attributes:
        base: What their names have in common.
        naming: How the rest of a name is made.
        specs: What they ask for; each session takes one.
        tags: Their tags.
        minutes: The median length of a job.
        session: How many jobs a session has at most.
        parallel: Whether a session's jobs run at once, as a tuner's do, or one after
            another, as a person's or a pipeline's.
        pause: The median pause, in minutes, between the jobs of a session.
        failing: The share of jobs that fail.
        weight: How often it is at work, beside the others.
    """

    base: str
    naming: Naming
    specs: tuple[JobSpec, ...]
    tags: Mapping[str, str]
    minutes: float
    session: int
    parallel: bool
    pause: float
    failing: float
    weight: float


FAILURES: tuple[tuple[str, float], ...] = (
    # A command line as user scripts' failures quote it, with what people put into one.
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
"""Why jobs fail, and how often for each reason; the last never gets instances."""

NEVER_STARTED = FAILURES[-1][0]


def sdk_name(base: str, chance: Random, created: datetime, session: str, number: int) -> str:
    """Name as the Python SDK does: the base and the time to the millisecond."""
    del chance, session, number
    stamp = created.strftime("%Y-%m-%d-%H-%M-%S")
    return f"{base}-{stamp}-{created.microsecond // 1000:03d}"


def pipeline_name(base: str, chance: Random, created: datetime, session: str, number: int) -> str:
    """Name as Pipelines does: the execution, the step, and a token."""
    del created, number
    return f"pipelines-{session:0<12.12}-{base}-{_letters(chance, 10)}"


def step_name(base: str, chance: Random, created: datetime, session: str, number: int) -> str:
    """Name as hand-written pipelines do: base, execution, token, number."""
    del created
    return f"{base}-{session:0<7.7}-{chance.getrandbits(24):06x}-{number}"


def tuning_name(base: str, chance: Random, created: datetime, session: str, number: int) -> str:
    """Name as a tuning job names what it trains."""
    del created, session
    return f"{base}-{number:03d}-{chance.getrandbits(32):08x}"


def counted_name(base: str, chance: Random, created: datetime, session: str, number: int) -> str:
    """Name as cron does: a base and a number that grows with time."""
    del chance, session, number
    return f"{base}-{int(created.timestamp() * 1000) // 100_000}"


def families(account_id: str, region: str, scale: int) -> list[Family]:
    """Give the families at work in a scope.

    Args:
        account_id: The account.
        region: The region.
        scale: How many variants of each there are: a big account has more teams, not only
            more jobs.
    """
    made = [_family(each, account_id, region, 0) for each in _CATALOGUE]
    for variant in range(1, scale):
        made += [_family(each, account_id, region, variant) for each in _CATALOGUE]
    return made


def _letters(chance: Random, count: int) -> str:
    return "".join(chance.choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", k=count))


def _spec(**wanted: Any) -> JobSpec:  # noqa: ANN401 - the fields of JobSpec
    return JobSpec(**wanted)


_SECRET = {"WANDB_API_KEY": "standin-3f5c9a00wandb", "STAGE": "prod"}

_CATALOGUE: tuple[Family, ...] = (
    Family(
        "resnet",
        sdk_name,
        (
            _spec(instance_type="ml.g4dn.xlarge", volume_size_gb=50, keep_alive_seconds=1800),
            _spec(instance_type="ml.g5.xlarge", volume_size_gb=50, keep_alive_seconds=3600),
        ),
        {"team": "vision", "project": "shelf-scan"},
        minutes=25,
        session=9,
        parallel=False,
        pause=8,
        failing=0.12,
        weight=4,
    ),
    Family(
        "PreprocessorTraining",
        pipeline_name,
        (_spec(instance_type="ml.m5.xlarge", keep_alive_seconds=3600),),
        {"team": "forecasting", "cost-center": "4711"},
        minutes=6,
        session=3,
        parallel=False,
        pause=20,
        failing=0.04,
        weight=5,
    ),
    Family(
        "TrainForecaster",
        pipeline_name,
        (_spec(instance_type="ml.m5.2xlarge", instance_count=2, keep_alive_seconds=1800),),
        {"team": "forecasting", "cost-center": "4711"},
        minutes=40,
        session=2,
        parallel=False,
        pause=12,
        failing=0.05,
        weight=3,
    ),
    Family(
        "bert-ft",
        step_name,
        (
            _spec(
                instance_type="ml.p4d.24xlarge",
                volume_size_gb=500,
                keep_alive_seconds=900,
                hyperparameters={"hf_token": '"hf_standin00000000000000"', "epochs": "3"},
                environment=_SECRET,
            ),
            _spec(instance_type="ml.g5.12xlarge", volume_size_gb=200, keep_alive_seconds=1800),
        ),
        {"team": "language", "project": "assistant"},
        minutes=75,
        session=3,
        parallel=False,
        pause=9,
        failing=0.18,
        weight=2,
    ),
    Family(
        "hpo",
        tuning_name,
        (_spec(instance_type="ml.c5.2xlarge"), _spec(instance_type="ml.m5.4xlarge")),
        {"team": "ranking"},
        minutes=12,
        session=20,
        parallel=True,
        pause=1,
        failing=0.08,
        weight=1.5,
    ),
    Family(
        "nightly",
        counted_name,
        (_spec(instance_type="ml.m5.xlarge", keep_alive_seconds=21_600),),
        {"team": "ranking", "schedule": "nightly"},
        minutes=18,
        session=1,
        parallel=False,
        pause=1,
        failing=0.03,
        weight=2,
    ),
    Family(
        "detector-spot",
        sdk_name,
        (
            _spec(instance_type="ml.g5.2xlarge", managed_spot=True, volume_size_gb=100),
            _spec(instance_type="ml.p3.2xlarge", managed_spot=True, volume_size_gb=100),
        ),
        {"team": "vision"},
        minutes=90,
        session=4,
        parallel=False,
        pause=30,
        failing=0.1,
        weight=1.5,
    ),
    Family(
        "llm-pretrain",
        sdk_name,
        (
            _spec(
                instance_type="ml.p5.48xlarge",
                instance_count=4,
                volume_size_gb=1000,
                training_plan_arn="{plan}",
                encrypt_traffic=True,
            ),
        ),
        {"team": "language", "project": "base-model"},
        minutes=600,
        session=1,
        parallel=False,
        pause=1,
        failing=0.2,
        weight=0.2,
    ),
    Family(
        "hetero",
        sdk_name,
        (
            _spec(
                instance_type=None,
                instance_count=None,
                instance_groups=(
                    {
                        "InstanceType": "ml.g5.xlarge",
                        "InstanceCount": 1,
                        "InstanceGroupName": "gpu",
                    },
                    {
                        "InstanceType": "ml.c5.2xlarge",
                        "InstanceCount": 2,
                        "InstanceGroupName": "data",
                    },
                ),
            ),
        ),
        {"team": "vision"},
        minutes=50,
        session=2,
        parallel=False,
        pause=20,
        failing=0.1,
        weight=0.5,
    ),
    Family(
        "scratch",
        sdk_name,
        (_spec(instance_type="ml.m5.xlarge", keep_alive_seconds=600),),
        {},
        minutes=4,
        session=12,
        parallel=False,
        pause=6,
        failing=0.25,
        weight=3,
    ),
    Family(
        "secure-risk",
        sdk_name,
        (
            _spec(
                instance_type="ml.m5.4xlarge",
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
        minutes=30,
        session=4,
        parallel=False,
        pause=15,
        failing=0.06,
        weight=1.5,
    ),
)


def _family(family: Family, account_id: str, region: str, variant: int) -> Family:
    places = {
        "account": account_id,
        "region": region,
        "plan": f"arn:aws:sagemaker:{region}:{account_id}:training-plan/p5-reserved",
    }
    specs = tuple(_placed(spec, places) for spec in family.specs)
    suffix = f"-v{variant}" if variant and family.naming is not pipeline_name else ""
    base = f"{family.base}{variant}" if variant and not suffix else f"{family.base}{suffix}"
    return replace(family, base=base, specs=specs)


def _placed(spec: JobSpec, places: Mapping[str, str]) -> JobSpec:
    """Fill the account and the region into what a specification names."""
    return replace(
        spec,
        training_image=f"{_IMAGES.format(**places)}/pytorch-training:2.3-cpu",
        training_plan_arn=spec.training_plan_arn and spec.training_plan_arn.format(**places),
        volume_kms_key_id=spec.volume_kms_key_id and spec.volume_kms_key_id.format(**places),
        role_arn=spec.role_arn and spec.role_arn.format(**places),
    )
