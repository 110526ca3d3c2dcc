"""What omc says and how it gets out: neutral documents, a renderer for each medium, and the gate that prints.

``document`` is the value; ``terminal``, ``markdown``, ``html``, ``slack`` and ``json`` render it and escape for their
medium; ``text`` makes a text from outside harmless within a line; ``gate`` prints. Only what every command needs is
imported here: the renderers are imported by whoever shows a document.
"""

from omc.output.gate import echo, printable, redraw
from omc.output.json import to_json
from omc.output.text import line, shell_line, shell_word, visible

__all__ = ["echo", "line", "printable", "redraw", "shell_line", "shell_word", "to_json", "visible"]
