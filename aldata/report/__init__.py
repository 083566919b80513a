"""A project as one page: what it holds, what it cost, how good it is, and where that comes from."""

from aldata.report.budget import Budget
from aldata.report.gathering import gathered
from aldata.report.rendering import page

__all__ = ["Budget", "gathered", "page"]
