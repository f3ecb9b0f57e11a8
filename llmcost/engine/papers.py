"""Papers that the rules of several files cite."""

from __future__ import annotations

KORTHIKANTI = "Korthikanti et al. 2022, arXiv:2205.05198"
NARAYANAN = "Narayanan et al. 2021, arXiv:2104.04473"
ROOFLINE = "Williams et al. 2009 (roofline); Narayanan et al. 2021"
ZERO = "Rajbhandari et al. 2020, arXiv:1910.02054"
DUALPIPE = "DeepSeek-AI 2024, arXiv:2412.19437, sections 3.2.1 and 3.2.3"
