"""A whole pipecat application that echoes: its transport, its pipeline, its detection of who calls.

``python pipecat_app.py`` prints its port, then a line of JSON for each call it detects and for each
that ends.
"""

from __future__ import annotations

import json
import socket
from typing import Any

import uvicorn
from fastapi import FastAPI, WebSocket
from pipecat.frames.frames import Frame, InputAudioRawFrame, OutputAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.runner.utils import parse_telephony_websocket
from pipecat.serializers.exotel import ExotelFrameSerializer
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner

RATE_HZ = 8000
app = FastAPI()


class Echo(FrameProcessor):
    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            frame = OutputAudioRawFrame(frame.audio, frame.sample_rate, 1)
        await self.push_frame(frame, direction)


@app.websocket("/media")
async def media(websocket: WebSocket) -> None:
    await websocket.accept()
    kind, call = await parse_telephony_websocket(websocket)
    print(json.dumps({"what": "detected", "kind": kind, **call.model_dump()}), flush=True)
    serializer: Any
    if kind == "twilio":
        params = TwilioFrameSerializer.InputParams(auto_hang_up=False)
        serializer = TwilioFrameSerializer(call["stream_id"], call["call_id"], params=params)
    else:
        serializer = ExotelFrameSerializer(call["stream_id"], call["call_id"])
    options = FastAPIWebsocketParams(
        audio_in_enabled=True, audio_out_enabled=True, serializer=serializer
    )
    transport = FastAPIWebsocketTransport(websocket, options)
    rates = PipelineParams(audio_in_sample_rate=RATE_HZ, audio_out_sample_rate=RATE_HZ)
    worker = PipelineWorker(Pipeline([transport.input(), Echo(), transport.output()]), params=rates)

    @transport.event_handler("on_client_disconnected")
    async def over(transport: object, client: object) -> None:
        print(json.dumps({"what": "over", "kind": kind}), flush=True)
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


if __name__ == "__main__":
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run([listening])
