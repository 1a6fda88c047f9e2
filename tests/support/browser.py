"""A real Chromium for tests: plays WHEP through the host's own page or a bare script, and looks at decoded pictures."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = os.environ.get("STEADYCAST_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
# Without these, every start asks outside hosts for updates; the picture is decoded in software.
SWITCHES = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--autoplay-policy=no-user-gesture-required",
]

# Joins a lobby over WHEP in a page of the host's origin; keeps the connection and its video element in `window`.
WATCH = """async (path) => {
  const pc = new RTCPeerConnection();
  window.pc = pc;
  const video = document.createElement('video');
  video.muted = true; video.autoplay = true; video.playsInline = true;
  document.body.append(video);
  window.video = video;
  const stream = new MediaStream();
  video.srcObject = stream;
  pc.ontrack = (event) => stream.addTrack(event.track);
  pc.addTransceiver('video', {direction: 'recvonly'});
  pc.addTransceiver('audio', {direction: 'recvonly'});
  await pc.setLocalDescription(await pc.createOffer());
  const answer = await fetch(path, {method: 'POST', headers: {'content-type': 'application/sdp'},
    body: pc.localDescription.sdp});
  if (answer.status !== 201) throw new Error(answer.status + ' ' + await answer.text());
  window.location_ = answer.headers.get('location');
  await pc.setRemoteDescription({type: 'answer', sdp: await answer.text()});
}"""

# What this page joins from now on is offered with one encoding of pictures only, given as a media type.
PREFER = """(type) => {
  const add = RTCPeerConnection.prototype.addTransceiver;
  RTCPeerConnection.prototype.addTransceiver = function (kind, init) {
    const transceiver = add.call(this, kind, init);
    const known = RTCRtpReceiver.getCapabilities(kind).codecs;
    if (kind === 'video') transceiver.setCodecPreferences(known.filter((codec) => codec.mimeType === type));
    return transceiver;
  };
}"""

# One look at the picture: size, mean brightness, spread of brightness, a coarse hash of it, frames decoded so far.
LOOK = """async () => {
  const video = window.video;
  if (!video || !video.videoWidth) return null;
  const canvas = document.createElement('canvas');
  canvas.width = 64; canvas.height = 36;
  const context = canvas.getContext('2d');
  context.drawImage(video, 0, 0, 64, 36);
  const data = context.getImageData(0, 0, 64, 36).data;
  let sum = 0, squares = 0, hash = 0;
  for (let i = 0; i < data.length; i += 4) {
    const y = (data[i] * 3 + data[i + 1] * 6 + data[i + 2]) / 10;
    sum += y; squares += y * y; hash = (hash * 31 + (y | 0)) % 2147483647;
  }
  const n = data.length / 4, mean = sum / n;
  const stats = {frames: 0, audioPackets: 0, codec: null, state: window.pc.connectionState};
  for (const report of (await window.pc.getStats()).values()) {
    if (report.type === 'inbound-rtp' && report.kind === 'video') stats.frames = report.framesDecoded;
    if (report.type === 'inbound-rtp' && report.kind === 'audio') stats.audioPackets = report.packetsReceived;
    if (report.type === 'codec' && report.mimeType.startsWith('video/')) stats.codec = report.mimeType;
  }
  return {width: video.videoWidth, height: video.videoHeight, mean, spread: squares / n - mean * mean, hash, ...stats};
}"""


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not in this distribution (set STEADYCAST_CHROMIUM to a browser's path)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        try:
            yield browser
        finally:
            browser.close()


def watch(page: Page, lobby: str) -> None:
    """Joins the lobby from a page of the host that is already open."""
    page.evaluate(WATCH, f"/whep/{lobby}")
