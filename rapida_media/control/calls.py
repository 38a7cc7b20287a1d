"""The operations on calls: place, find, steer, and fetch what is left of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Protocol

import msgspec
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from rapida_media.call.call import Call
from rapida_media.call.recording import Recording
from rapida_media.call.records import CallRecord
from rapida_media.call.state import CallState
from rapida_media.control import schema
from rapida_media.control.operations import Asked, Operation, decoded
from rapida_media.control.problems import ProblemError, of_refusal, of_unavailable
from rapida_media.errors import LocalProtocolError, RapidaError
from rapida_media.media.wav import read_wav
from rapida_media.net.engine import Engine
from rapida_media.net.orders import Order, Orders
from rapida_media.net.provider_lines import Refused
from rapida_media.net.record_store import RecordsUnavailable
from rapida_media.net.record_tables import RecordPage, RecordQuery

BULK_LIMIT = 100
# Less than what a request may take: the far end's answer, or else the request's.
FAR_END_S = 8.0


class Records(Protocol):
    """Every call there was. RecordsUnavailable while that cannot be read."""

    async def get(self, call_id: str) -> CallRecord | None: ...
    async def find_by_key(self, idempotency_key: str) -> CallRecord | None: ...
    async def page(self, query: RecordQuery) -> RecordPage: ...


class CallOperations:
    """recordings, prompts: the folders recordings go to and files to play are taken from."""

    def __init__(
        self, engine: Engine, orders: Orders, records: Records, recordings: Path, prompts: Path
    ) -> None:
        self._engine = engine
        self._orders = orders
        self._records = records
        self._recordings = recordings
        self._prompts = prompts
        self._recorded: dict[str, Recording] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    def table(self) -> list[Operation]:
        return [
            Operation(
                "POST", "/v1/calls", "placeCall", "Place a call", self._place,
                {202: schema.CallAccepted}, (403, 404, 409), body=schema.CallOrder,
            ),
            Operation(
                "POST", "/v1/calls/bulk", "placeCalls", "Place up to 100 calls", self._place_all,
                {200: schema.BulkResult}, body=list[schema.CallOrder], read_as=list[msgspec.Raw],
            ),
            Operation(
                "GET", "/v1/calls", "listCalls", "List live and ended calls", self._list,
                {200: schema.CallPage}, query=schema.CallQuery,
            ),
            Operation(
                "GET", "/v1/calls/{id}", "getCall", "Get a call", self._get,
                {200: schema.CallView},
            ),
            self._verb("hangup", "Hang up", self._hang_up, schema.HangUpOrder, schema.CallView),
            self._verb("play", "Play a prompt", self._play, schema.PlayOrder, schema.Played),
            self._verb("clear", "Stop speaking", self._clear, None, schema.Cleared),
            self._verb("dtmf", "Press keys", self._press, schema.DigitsOrder, schema.Accepted),
            self._verb("hold", "Put on hold", self._hold, None, schema.Agreed),
            self._verb("resume", "Take back from hold", self._resume, None, schema.Agreed),
            self._verb("transfer", "Transfer", self._transfer, schema.TransferOrder,
                       schema.Transferred, 403),
            self._verb("record", "Start, stop or pause recording", self._record, schema.RecordOrder,
                       schema.Recorded),
            Operation(
                "GET", "/v1/calls/{id}/recording", "getRecording", "Get the recording",
                self._recording, {200: "audio/wav", 206: "audio/wav"}, (409, 416),
            ),
            Operation(
                "GET", "/v1/calls/{id}/stats", "getStatistics", "Get counts and quality",
                self._statistics, {200: schema.Statistics},
            ),
            Operation(
                "GET", "/v1/calls/{id}/trace", "getTrace", "Get the ladder of its messages",
                self._trace, {200: "text/plain"},
            ),
        ]  # fmt: skip

    def _verb(
        self,
        verb: str,
        summary: str,
        handler: Callable[[Any], Awaitable[Any]],
        body: type | None,
        reply: type,
        *problems: int,
    ) -> Operation:
        return Operation(
            "POST",
            f"/v1/calls/{{id}}/{verb}",
            f"{verb}Call",
            summary,
            handler,
            {200: reply},
            (409, *problems),
            body=body,
            optional_body=body in (schema.HangUpOrder, schema.RecordOrder),
        )

    # -- placing -------------------------------------------------------------------------------

    async def _place(self, asked: Asked[schema.CallOrder, None]) -> tuple[int, Any]:
        return 202, await self._ordered(asked.body)

    async def _place_all(self, asked: Asked[list[msgspec.Raw], None]) -> schema.BulkResult:
        if len(asked.body) > BULK_LIMIT:
            raise ProblemError(422, "invalid", f"expected at most {BULK_LIMIT} orders")
        items = []
        for raw in asked.body:
            try:
                order = decoded(raw, schema.CallOrder)
                items.append(schema.BulkItem(call=await self._ordered(order)))
            except ProblemError as error:
                items.append(schema.BulkItem(problem=error.problem()))
        return schema.BulkResult(items)

    async def _ordered(self, order: schema.CallOrder) -> schema.CallAccepted:
        try:
            record = await self._orders.place(
                Order(
                    assistant=order.assistant,
                    to=order.to,
                    from_=order.from_,
                    provider=order.provider,
                    trunk=order.trunk,
                    parameters=order.parameters,
                    idempotency_key=order.idempotency_key,
                    ring_seconds=order.ring_seconds,
                    headers=order.headers,
                )
            )
        except Refused as refused:
            raise of_refusal(refused) from None
        except RecordsUnavailable as error:
            raise of_unavailable(error) from None
        return schema.CallAccepted(record.id, record.context_id, record.state.value)

    # -- finding -------------------------------------------------------------------------------

    async def _list(self, asked: Asked[None, schema.CallQuery]) -> schema.CallPage:
        query = asked.query
        since = None if query.since is None else _instant(query.since)
        try:
            page = await self._records.page(
                RecordQuery(
                    status=None if query.status is None else CallState(query.status),
                    provider=query.provider,
                    assistant=query.assistant,
                    since=since,
                    cursor=query.cursor,
                    limit=query.limit,
                )
            )
        except LocalProtocolError as error:
            raise ProblemError(422, "invalid", str(error), field="cursor") from None
        return schema.CallPage([schema.view(each) for each in page.records], page.cursor)

    async def _get(self, asked: Asked[None, None]) -> schema.CallView:
        return schema.view(await self._record_of(asked.id))

    async def _record_of(self, call_id: str) -> CallRecord:
        record = self._engine.journal.live.get(call_id)
        if record is None:
            record = await self._records.get(call_id)
        if record is None:
            raise ProblemError(404, "no-such-call", "there is no call of this id")
        return record

    async def _live(self, call_id: str) -> Call:
        """Give a call whose media may be used; a problem says why there is none."""
        call = self._engine.call(call_id)
        if call is None or call.ended is not None:
            record = await self._record_of(call_id)
            state = "over" if record.state.ended else "not connected yet"
            raise ProblemError(409, "not-live", f"the call is {state}")
        return call

    # -- steering ------------------------------------------------------------------------------

    async def _hang_up(self, asked: Asked[schema.HangUpOrder, None]) -> schema.CallView:
        record = await self._record_of(asked.id)
        if not record.state.ended:
            self._orders.hang_up(record, asked.body.reason)
        return schema.view(await self._record_of(asked.id))

    async def _play(self, asked: Asked[schema.PlayOrder, None]) -> schema.Played:
        call = await self._live(asked.id)
        path = self._prompts / asked.body.file
        try:
            pcm = await asyncio.to_thread(read_wav, path)
        except (RapidaError, OSError):
            raise ProblemError(
                422, "no-such-file", "no WAV file of that name among the prompts", field="file"
            ) from None
        call.write(pcm)
        return schema.Played(call.queued_ms)

    async def _clear(self, asked: Asked[None, None]) -> schema.Cleared:
        return schema.Cleared(await (await self._live(asked.id)).clear())

    async def _press(self, asked: Asked[schema.DigitsOrder, None]) -> schema.Accepted:
        call = await self._live(asked.id)
        pressing = self._start(call.send_digits(asked.body.digits))
        await asyncio.sleep(0)  # so that what is wrong with it is told here
        if pressing.done() and isinstance(error := pressing.exception(), LocalProtocolError):
            raise ProblemError(409, "not-possible", str(error))
        return schema.Accepted()

    async def _hold(self, asked: Asked[None, None]) -> schema.Agreed:
        return schema.Agreed(await self._told(await self._live(asked.id), Call.hold))

    async def _resume(self, asked: Asked[None, None]) -> schema.Agreed:
        return schema.Agreed(await self._told(await self._live(asked.id), Call.resume))

    async def _transfer(self, asked: Asked[schema.TransferOrder, None]) -> schema.Transferred:
        call = await self._live(asked.id)
        self._orders.allow_transfer(await self._record_of(asked.id), asked.body.to)
        outcome = await self._told(call, lambda each: each.transfer(asked.body.to))
        return schema.Transferred(outcome.succeeded, outcome.status, outcome.reason)

    async def _told(self, call: Call, verb: Callable[[Call], Awaitable[Any]]) -> Any:
        """Do what wants the far end's answer, as long as a request may wait for it."""
        try:
            async with asyncio.timeout(FAR_END_S):
                return await verb(call)
        except TimeoutError:
            raise ProblemError(504, "timeout", "the far end has not answered yet") from None
        except LocalProtocolError as error:
            raise ProblemError(409, "not-possible", str(error)) from None

    async def _record(self, asked: Asked[schema.RecordOrder, None]) -> schema.Recorded:
        call = await self._live(asked.id)
        if asked.body.action == "stop":
            recording = self._recorded.pop(call.id, None)
            if recording is None:
                raise ProblemError(409, "not-possible", "no recording was started here")
            recording.close()
            return schema.Recorded(False)
        if asked.body.action in ("pause", "resume"):
            return _pause(call.recording, asked.body.action == "pause")
        path = self._recordings / f"{call.id}.wav"
        if await asyncio.to_thread(path.exists):
            raise ProblemError(409, "not-possible", "there is a recording of the call already")
        try:
            self._recorded[call.id] = call.record(path)
        except LocalProtocolError as error:
            raise ProblemError(409, "not-possible", str(error)) from None
        self._recorded = {id_: each for id_, each in self._recorded.items() if not each.closed}
        return schema.Recorded(True)

    def _start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # of a call that ended meanwhile: nobody is left to tell

    # -- what is left --------------------------------------------------------------------------

    async def _recording(self, asked: Asked[None, None]) -> web.StreamResponse:
        record = await self._record_of(asked.id)
        path = self._recordings / f"{record.id}.wav"
        if not record.state.ended:
            raise ProblemError(409, "not-over", "the recording is complete when the call is over")
        if not await asyncio.to_thread(path.is_file):
            raise ProblemError(404, "no-recording", "the call was not recorded")
        size = (await asyncio.to_thread(path.stat)).st_size
        if not _has_part(asked.http, size):
            raise ProblemError(
                416, "no-such-part", f"expected one part of {size} octets, such as bytes=0-43",
                headers={"Content-Range": f"bytes */{size}"},
            )  # fmt: skip
        return _WavFile(path, headers={"Content-Type": "audio/wav"})

    async def _statistics(self, asked: Asked[None, None]) -> schema.Statistics:
        call = self._engine.call(asked.id)
        if call is not None and call.ended is None:
            return schema.statistics(call.id, call.stats(), live=True)
        record = await self._record_of(asked.id)
        return schema.statistics(record.id, record.quality, live=not record.state.ended)

    async def _trace(self, asked: Asked[None, None]) -> web.StreamResponse:
        ladder = self._engine.trace(asked.id)
        if not ladder:
            raise ProblemError(404, "no-trace", "no messages of this call are kept")
        return web.Response(text=ladder)


class _WavFile(web.FileResponse):
    """Gives the whole file for a Range that cannot be read: RFC 9110 section 14.2 has it ignored,
    and aiohttp answers 416."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        try:
            _ = request.http_range
        except ValueError:
            headers = request.headers.copy()
            del headers["Range"]
            request = request.clone(headers=headers)
        return await super().prepare(request)


def _pause(recording: Recording | None, paused: bool) -> schema.Recorded:
    if recording is None or recording.closed:
        raise ProblemError(409, "not-possible", "the call is not being recorded")
    if paused:
        recording.pause()
    else:
        recording.resume()
    return schema.Recorded(not paused)


def _instant(text: str) -> float:
    """Read RFC 3339. msgspec itself takes figures from a query for seconds, such as a year."""
    try:
        moment: datetime = msgspec.convert(text, Annotated[datetime, msgspec.Meta(tz=True)])
    except msgspec.ValidationError as error:
        raise ProblemError(422, "invalid", str(error), field="since") from None
    return moment.timestamp()


def _has_part(request: web.Request, size: int) -> bool:
    """Tell whether a file has what Range asks for, which aiohttp refuses without a word.

    What cannot be read asks for nothing.
    """
    try:
        start = request.http_range.start
    except ValueError:
        return True
    return start is None or start < size
