"""How long a class takes: python benchmarks/classroom.py [WORD...]. Further words go to ``rnn-conformance matrix``.

Fifty files are written into a temporary folder: some right, most with a mistake that students make, and some that never
end, print without end, delete their folder, or do not load. They are judged as a teacher would have it, with feedback,
points and limits. Prints the wall time, and how many files got which verdict.
The time means something only where the load before is near 0.
Exit status: 0 each file got the verdict that it must get, 1 some did not.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from conformance.trial.worker_pool import cores

RIGHT = """import numpy as np


def forward(case):
    p, h, output = case.parameters, case.h_0[0], []
    for x in case.x:
        z = x @ p["weight_ih_l0"].T + p["bias_ih_l0"] + h @ p["weight_hh_l0"].T + p["bias_hh_l0"]
        h = np.tanh(z)
        output.append(h)
    return np.stack(output), h[None].copy()
"""
FILES = 50
ROUNDS = {"right": 2, "fails": 2, "inconclusive": 1}  # how often each change is handed in; what is left is right
CHANGES = {
    "right": [
        ("z = x @", "z = 0 + x @"),
        ("np.stack(output)", "np.array(output)"),
        ("h[None].copy()", "np.stack([h])"),
        ("import numpy as np", "import numpy as np\nfor _ in range(9999):\n    print('=' * 99)"),
        ("np.tanh(z)", "np.sinh(z) / np.cosh(z) if abs(z).max(initial=0) < 0 else np.tanh(z)"),
    ],
    "fails": [
        ('h @ p["weight_hh_l0"].T', 'h @ p["weight_hh_l0"]'),
        ("h @ p", "case.h_0[0] @ p"),
        ('+ p["bias_hh_l0"]', ""),
        ('p["bias_ih_l0"] + h', 'p["bias_hh_l0"] + h'),
        ("np.tanh(z)", "1 / (1 + np.exp(-z))"),
        ("np.tanh(z)", "np.maximum(z, 0)"),
        ("np.tanh(z)", "np.tanh(0.9 * z)"),
        ("np.tanh(z)", "np.tanh(z).astype(np.float16).astype(z.dtype)"),
        ("case.h_0[0], []", "np.zeros_like(case.h_0[0]), []"),
        ("for x in case.x", "for x in case.x[::-1]"),
        ("h[None].copy()", "case.h_0"),
        ("h[None].copy()", "h"),
        ("np.stack(output)", "np.stack(output, 1)"),
        ("h = np.tanh(z)", "h = 0.5 * h + 0.5 * np.tanh(z)"),
        ("for x in case.x:", "while True:\n        x = case.x[0]"),
        ("    for x", "    raise ValueError('todo')\n    for x"),
        ("    for x", "    import os; os._exit(0)\n    for x"),
    ],
    "inconclusive": [
        ("import numpy as np", "import numpy as np\nwhile True: pass"),
        ("import numpy as np", "import numpy as np\nraise RuntimeError('at home it works')"),
        ("import numpy as np", "import numpy as"),
        ("import numpy as np", "from reference_rnn import rnn as np"),
        ("def forward", "def backward"),
    ],
}
DELETES = "import numpy as np, pathlib, shutil\nshutil.rmtree(pathlib.Path(__file__).parent)"


def class_of_students() -> Iterator[tuple[str, str]]:
    """What each file must get, and its text; the one that deletes its folder comes early."""
    yield "right", RIGHT
    yield "right", RIGHT.replace("import numpy as np", DELETES)
    written = 2
    for verdict, changes in CHANGES.items():
        for _ in range(ROUNDS[verdict]):
            for old, new in changes:
                assert old in RIGHT
                yield verdict, RIGHT.replace(old, new)
                written += 1
    for _ in range(written, FILES):
        yield "right", RIGHT


def main() -> int:
    """Judges the class."""
    rnn = Path(sys.executable).with_name("rnn-conformance")
    with tempfile.TemporaryDirectory() as home:
        students = Path(home, "students")
        students.mkdir()
        must = {}
        for number, (verdict, text) in enumerate(class_of_students()):
            (students / f"student{number:02}.py").write_text(text)
            must[f"student{number:02}"] = {"right": "conforms"}.get(verdict, verdict)
        words = ["students", "--cpu-limit", "60s", "--call-limit", "2s", "--feedback", "pages", "--no-solution"]
        load, began = os.getloadavg()[0], time.perf_counter()
        subprocess.run([rnn, "matrix", *words, "--grades", "grades.csv", *sys.argv[1:]], cwd=home)
        seconds = time.perf_counter() - began
        grades = csv.DictReader(Path(home, "grades.csv").read_text().splitlines())
        rows = {row["student"]: row["verdict"] for row in grades}
    loads = f"load {load:.1f} before, {os.getloadavg()[0]:.1f} after, on {cores()} cores"
    print(f"{len(rows)} files in {seconds:.0f} s: {dict(Counter(rows.values()))}; {loads}")
    wrong = {name: (verdict, rows.get(name)) for name, verdict in must.items() if rows.get(name) != verdict}
    for name, (wanted, got) in wrong.items():
        print(f"{name}: must be {wanted}, is {got}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
