"""How far the fragments of an MP4 reach in time, against what the movie says of itself (ISO/IEC 14496-12, 8.8)."""

from __future__ import annotations

from dataclasses import dataclass

_MOST_TRACKS = 64
_MARGIN_S = 1.0  # durations are rounded, and edit lists leave out or add a little


@dataclass(slots=True)
class _Track:
    units_a_second: int = 0
    sample_units: int = 0  # how long a sample lasts that does not say so


class Timeline:
    """Adds up the samples of one file, track by track and fragment by fragment."""

    def __init__(self) -> None:
        self._tracks: dict[int, _Track] = {}
        self._track = _Track()
        self._at_units: int | None = None  # unknown, if the fragment does not say when it begins
        self._sample_units = 0
        self._end_s: float | None = None

    def track(self, track_id: int) -> None:
        """Turn to the track that is described, or to which the fragment at hand adds."""
        if len(self._tracks) < _MOST_TRACKS:
            self._track = self._tracks.setdefault(track_id, _Track())
        else:
            self._track = self._tracks.get(track_id, _Track())
        self._at_units, self._sample_units = None, self._track.sample_units

    def timescale(self, units_a_second: int) -> None:
        self._track.units_a_second = units_a_second

    def defaults(self, track_id: int, sample_units: int) -> None:
        self.track(track_id)
        self._track.sample_units = sample_units

    def fragment_defaults(self, sample_units: int) -> None:
        self._sample_units = sample_units

    def begin(self, at_units: int) -> None:
        self._at_units = at_units

    def add(self, *, samples: int, units: int | None) -> None:
        """Add a run of samples, which last `units` in all, or each as long as samples do by default."""
        if self._at_units is None or not self._track.units_a_second:
            return
        self._at_units += samples * self._sample_units if units is None else units
        end_s = self._at_units / self._track.units_a_second
        self._end_s = end_s if self._end_s is None else max(self._end_s, end_s)

    def problem(self, total_s: float | None) -> str | None:
        if total_s is None or self._end_s is None or self._end_s + _MARGIN_S >= total_s:
            return None
        return f"the movie says it lasts {total_s:,.1f} s, its last fragment ends at {self._end_s:,.1f} s"
