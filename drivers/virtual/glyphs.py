"""The letters of a printer's own font A: 12 x 24 dots each."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 12, 24
_BASELINE, _SIZE = 18, 19
_FONTS = Path(__file__).parent.parent / "printers" / "fonts"


@lru_cache(maxsize=4096)
def glyph(character: str, *, bold: bool, columns: int, wide: int, tall: int) -> Image.Image:
    """Return a character in its cell of one or two columns, white on black, so many times as wide and as tall."""
    font = _font(bold=bold)
    length = font.getlength(character)
    width = max(columns * WIDTH, round(length))
    cell = Image.new("1", (width, HEIGHT))
    ImageDraw.Draw(cell).text(((width - length) / 2, _BASELINE), character, fill=1, font=font, anchor="ls")
    return cell.resize((columns * WIDTH, HEIGHT)).resize((columns * WIDTH * wide, HEIGHT * tall))


@lru_cache
def _font(*, bold: bool) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    fonts = sorted(_FONTS.glob(f"NotoSans-{'Bold' if bold else 'Regular'}*.ttf"))
    return ImageFont.truetype(fonts[0], _SIZE) if fonts else ImageFont.load_default(_SIZE)
