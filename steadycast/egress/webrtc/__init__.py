"""WebRTC for viewers that only receive: SDP, ICE on one shared port, DTLS, SRTP. It never makes media."""
