"""Data: pictures, text and the built-in moving shapes. Formats end here; everything else knows tables."""
