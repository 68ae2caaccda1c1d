"""What may be opened as media: the demuxers, protocols and sizes that ffmpeg is held to.

By itself ffmpeg follows playlists, lists of files and redirects to wherever they lead, and decodes pictures of any size.
"""

from __future__ import annotations

FILES = "mov,mp4,matroska,webm,flv,mpegts,avi"
PLAYLISTS = "hls,mpegts,mov,mp4,aac"
STREAMS = "hls,flv,live_flv,mpegts,mov,mp4,aac"
MOST_PIXELS = 4096 * 2304
MOST_MEMORY = 2 << 30  # of address space; a probe of good video stays far below 512 MB of memory
SECONDS_TO_PROBE = 2  # of CPU, so that a busy machine refuses nothing good
PATIENCE_S = 20.0
SILENCE_S = 15
