"""The service's own schedules, in a real process."""

from __future__ import annotations

import asyncio

import asyncpg

from tests.support.databases import ON_POSTGRESQL
from tests.support.service import Service


@ON_POSTGRESQL  # whose queue can be looked into
async def test_the_service_sweeps_strays_once_and_plans_the_next_time(service: Service) -> None:
    async with service:
        connection = await asyncpg.connect(service.database_url)
        job = "FROM pgqueuer WHERE entrypoint = 'schedule:strays'"
        try:
            async with asyncio.timeout(20):
                while await connection.fetchval(f"SELECT execute_after - created {job}") is None:
                    await asyncio.sleep(0.05)
                assert (await connection.fetchval(f"SELECT execute_after - created {job}")).total_seconds() == 60
                await connection.execute("UPDATE pgqueuer SET execute_after = now() WHERE attempts = 0")
                while not await connection.fetchval(f"SELECT attempts {job} AND status = 'queued'"):
                    await asyncio.sleep(0.05)
            next_time = await connection.fetchval(f"SELECT execute_after - updated {job}")
            assert next_time.total_seconds() == 3600
        finally:
            await connection.close()
    assert b"schedule_" not in service.log_path.read_bytes()  # neither failed nor crashed
