"""Simulate SageMaker, STS and the Price List API for unmodified AWS SDKs.

The simulator is an HTTP server on the loopback. It does what the services are known, reported
or suspected to do (`Behaviour`), with a world of jobs whose clock a test moves::

    clock = Clock(datetime(2026, 11, 1, tzinfo=UTC))
    world = World(clock, seed=7)
    scope = world.scope("111122223333", "eu-west-1")
    job = scope.create_job("nightly-42", keep_alive_seconds=1800)
    with Simulator(world) as simulator:
        os.environ.update(simulator.environment())
        boto3.client("sagemaker").list_training_jobs()

It checks no signature, so it binds to the loopback only. Only the demo, the tests and the
benchmarks may import it.

The modules, each of which imports only modules of the rows above it and `exporter.wire`:

    clock, behaviour, job           time; the open questions about AWS; one job and its states
    life, index                     how a job's state changes; jobs in each order of the API
    views, families                 what the API shows of a job; what people train
    scope, sessions, pools          the jobs of one account and region; those of one session;
                                    the warm pools that wait
    work                            runs sessions, and hands pools on
    history, access, limits         generated jobs; who calls and may; how often
    world, listing, expression      all scopes in time; pages of a list; the language of Search
    search, pricing                 pages of Search; pages of the price list
    service, faults, oddities       a call in, an answer out; what goes wrong on the way; what
                                    answers look like although nothing went wrong
    server                          the service over HTTP
"""

from exporter.simulator.behaviour import Behaviour
from exporter.simulator.clock import Clock
from exporter.simulator.faults import Fault
from exporter.simulator.job import Job, JobSpec, JobState
from exporter.simulator.scope import Scope
from exporter.simulator.server import RecordedCall, Simulator
from exporter.simulator.world import World

__all__ = [
    "Behaviour",
    "Clock",
    "Fault",
    "Job",
    "JobSpec",
    "JobState",
    "RecordedCall",
    "Scope",
    "Simulator",
    "World",
]
