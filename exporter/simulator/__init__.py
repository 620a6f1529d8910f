"""A stand-in for SageMaker, STS and the Price List API, for unmodified AWS SDKs.

An HTTP server on the loopback that plays what the services are known, reported or
suspected to do (:class:`Behaviour`), over a world of jobs whose clock a test moves::

    clock = Clock(datetime(2026, 11, 1, tzinfo=UTC))
    world = World(clock, seed=7)
    scope = world.scope("111122223333", "eu-west-1")
    job = scope.create_job("nightly-42", keep_alive_seconds=1800)
    with Simulator(world) as simulator:
        os.environ.update(simulator.environment())
        boto3.client("sagemaker").list_training_jobs()

It holds nobody's data and checks no signature, so it binds to the loopback only. Nothing
but the demo, the tests and the benchmarks knows it.
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
