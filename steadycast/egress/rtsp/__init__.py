"""The RTSP server: protocol (pure), sessions, and RTP over UDP and TCP. It never makes media."""
