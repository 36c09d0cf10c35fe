"""The demo on narrated videos: what nodes tell, what frames tell, and live subtitles."""
