"""What a benchmark ran on."""

from __future__ import annotations

import platform
from pathlib import Path


def machine() -> str:
    """Processor and kernel."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{cpu}, Linux {platform.release().split('-')[0]}"
