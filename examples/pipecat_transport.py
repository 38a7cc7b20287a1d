"""A pipecat pipeline on a call: its transport, and a bot that says back what it hears.

    rapida-media serve --agent python:pipecat_transport:agent

Put the services of your own bot between ``transport.input()`` and ``transport.output()``. Written
for pipecat 1.14; what the engine gives and takes is 16 kHz, so nothing is converted on the way.
"""

from __future__ import annotations

import asyncio

from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import (
    CancelFrame,
    CancelWorkerFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
    InterruptionFrame,
    InterruptionWorkerFrame,
    OutputAudioRawFrame,
    OutputDTMFFrame,
    OutputDTMFUrgentFrame,
    StartFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import BaseTransport, TransportParams
from pipecat.workers.runner import WorkerRunner

from rapida_media import Audio, Call, Digit, HangUp, SpeechStarted
from rapida_media.media.frame import RATE_HZ

# What waits in the engine: enough for a pipeline that stumbles, and little to take back.
LEAD_MS = 200
KEYS = {entry.value: entry for entry in KeypadEntry}


class CallTransport(BaseTransport):
    """Both ends of a pipeline on one call."""

    def __init__(self, call: Call) -> None:
        super().__init__()
        params = TransportParams(
            audio_in_enabled=True,
            audio_in_sample_rate=RATE_HZ,
            audio_out_enabled=True,
            audio_out_sample_rate=RATE_HZ,
            audio_out_10ms_chunks=2,
            audio_out_auto_silence=False,  # the engine sends it
            audio_out_end_silence_secs=0,
        )
        self._input = CallInput(call, params)
        self._output = CallOutput(call, params)

    def input(self) -> FrameProcessor:
        return self._input

    def output(self) -> FrameProcessor:
        return self._output


class CallInput(BaseInputTransport):
    """What the caller says and presses. Speech interrupts what is being played."""

    def __init__(self, call: Call, params: TransportParams) -> None:
        super().__init__(params)
        self._call = call
        self._reader: asyncio.Task[None] | None = None

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)
        self._call.detect_speech()
        self._reader = self.create_task(self._read())

    async def stop(self, frame: EndFrame) -> None:
        await self._stop_reading()
        await super().stop(frame)

    async def cancel(self, frame: CancelFrame) -> None:
        await self._stop_reading()
        await super().cancel(frame)

    async def _stop_reading(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            await self.cancel_task(reader)

    async def _read(self) -> None:
        async for event in self._call:
            match event:
                case Audio(pcm=pcm):
                    frame = InputAudioRawFrame(audio=pcm, sample_rate=RATE_HZ, num_channels=1)
                    await self.push_audio_frame(frame)
                case Digit(digit=digit) if digit in KEYS:
                    await self.push_frame(InputDTMFFrame(button=KEYS[digit]))
                case SpeechStarted() if self._call.queued_ms:
                    await self.push_frame(InterruptionWorkerFrame(), FrameDirection.UPSTREAM)
                case HangUp(reason=reason):
                    frame = CancelWorkerFrame(reason=reason)
                    await self.push_frame(frame, FrameDirection.UPSTREAM)


class CallOutput(BaseOutputTransport):
    """What the bot says and presses."""

    def __init__(self, call: Call, params: TransportParams) -> None:
        super().__init__(params)
        self._call = call

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def stop(self, frame: EndFrame) -> None:
        await super().stop(frame)
        await self._call.drain()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, InterruptionFrame):
            await self._call.clear()
        await super().process_frame(frame, direction)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        """Write at the pace of speech, so that pipecat knows what is being heard."""
        self._call.write(frame.audio)
        await asyncio.sleep(max(0, self._call.queued_ms - LEAD_MS) / 1000)
        return self._call.ended is None

    def _supports_native_dtmf(self) -> bool:
        return True

    async def _write_dtmf_native(self, frame: OutputDTMFFrame | OutputDTMFUrgentFrame) -> None:
        await self._call.send_digits("".join(button.value for button in frame.buttons or ()))


class Parrot(FrameProcessor):
    """The bot: says what it hears."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            frame = OutputAudioRawFrame(
                audio=frame.audio, sample_rate=frame.sample_rate, num_channels=1
            )
        await self.push_frame(frame, direction)


async def agent(call: Call) -> None:
    transport = CallTransport(call)
    bot = Pipeline([transport.input(), Parrot(), transport.output()])
    params = PipelineParams(audio_in_sample_rate=RATE_HZ, audio_out_sample_rate=RATE_HZ)
    worker = PipelineWorker(bot, params=params, enable_rtvi=False)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()
