"""Time grids: the times between the steps of a run."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gen.diffusion.arguments import check_positive, check_within, whole_number
from gen.diffusion.level import DATA, Level, interpolate
from gen.diffusion.process import ForwardProcess, Process

ALIGN_YOUR_STEPS: dict[str, tuple[float, ...]] = {
    "sd1": (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029),
    "sdxl": (14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029),
    "deepfloyd": (160.41, 8.081, 3.315, 1.885, 1.207, 0.785, 0.553, 0.293, 0.186, 0.030, 0.006),
    "svd": (700.00, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034, 0.002),
}
"""sigma / alpha of ten steps, optimised for a model each (Sabour et al. 2024, arXiv 2404.14507, table 3)."""

FIRST = 1e-300
"""The time of a process's level at t = 0 where that has noise (sigma_min); time 0 itself is clean data."""


@dataclass(frozen=True)
class TimeGrid:
    """Times in [0, 1], falling (noise to data) or rising (data to noise); n steps have n + 1 times.

    Time 0 is clean data, sigma = 0, in every process. Where the process itself has noise at t = 0, as
    ``VarianceExploding``, that level has the time ``FIRST``.

    The class methods make falling grids of ``steps`` >= 1 that end at t = 0, and raise ValueError for
    arguments out of range. ``process`` gives the levels that are spaced. ``chain`` is the number of steps
    that the network was trained on, at least ``steps``; step i (from 0) of a chain has t = (i + 1) / chain,
    as in ``DiscreteBetas``. ``end`` is the last time before 0; by default ``FIRST`` where the process has
    noise at t = 0, else 0.001.

    Args:
        times: At least two finite times, strictly falling or strictly rising, but for ``renoise_steps``.
        renoise_steps: Indices of the steps of a falling grid that go back up to an earlier time. They add
            noise by ``transition`` and denoise nothing; ``restart`` makes them.

    Raises:
        ValueError: The times are fewer, outside [0, 1], or not monotone at steps other than
            ``renoise_steps``.
    """

    times: tuple[float, ...]
    renoise_steps: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "times", tuple(map(float, self.times)))
        object.__setattr__(self, "renoise_steps", tuple(self.renoise_steps))
        if len(self.times) < 2:
            raise ValueError(f"a time grid needs at least two times, not {len(self.times)}")
        if not all(0 <= t <= 1 for t in self.times):
            raise ValueError("the times of a grid must lie in [0, 1]")
        up = {i for i, (a, b) in enumerate(itertools.pairwise(self.times)) if a < b}
        if any(a == b for a, b in itertools.pairwise(self.times)) or (
            up != set(self.renoise_steps) and (self.renoise_steps or len(up) < self.steps)
        ):
            raise ValueError(
                "the times of a grid must be strictly falling or strictly rising, but for renoise_steps"
            )
        ordered = list(self.renoise_steps) == sorted(up) or not self.renoise_steps
        known = all(self.times[i + 1] in self.times[:i] for i in self.renoise_steps)
        if not ordered or not known or self.steps - 1 in self.renoise_steps:
            raise ValueError(
                "a step that renoises must lead to an earlier time of the grid, and the last step must fall"
            )

    def __len__(self) -> int:
        return len(self.times)

    def __iter__(self) -> Iterator[float]:
        return iter(self.times)

    @property
    def steps(self) -> int:
        """Number of steps, ``len(grid) - 1``."""
        return len(self.times) - 1

    @property
    def falling(self) -> bool:
        """Whether the grid leads from noise to data."""
        return self.times[0] > self.times[-1]

    def levels(self, process: ForwardProcess) -> tuple[Level[float], ...]:
        """The noise levels of ``process`` at these times; that of time 0 is clean data."""
        return tuple(process.level(t) if t > 0 else DATA for t in self.times)

    # Spaced by time.

    @classmethod
    def uniform(cls, steps: int) -> TimeGrid:
        """Equal steps of t from 1 to 0."""
        n = whole_number(steps, "steps")
        return cls(tuple((n - i) / n for i in range(n + 1)))

    @classmethod
    def quadratic(cls, steps: int) -> TimeGrid:
        """Equal steps of sqrt(t) from 1 to 0: finer near the data (Song et al. 2021, 2010.02502, D.2)."""
        n = whole_number(steps, "steps")
        return cls(tuple(((n - i) / n) ** 2 for i in range(n + 1)))

    @classmethod
    def beta(
        cls, steps: int, a: float = 0.6, b: float = 0.6, *, start: float = 1.0, end: float = 1e-3
    ) -> TimeGrid:
        """Quantiles of Beta(a, b) from start to end, then t = 0 (Lee et al. 2024, arXiv 2407.12173).

        Args:
            a: > 0; below 1 it puts more steps near the data. With a = b = 1 the steps are equal.
            b: > 0; below 1 it puts more steps near the noise.
            start: The first time.
            end: The last time before 0, in (0, start).
        """
        if not 0 < end < start <= 1:
            raise ValueError(f"a grid needs 0 < end < start <= 1, not start = {start}, end = {end}")
        shares = _beta_shares(whole_number(steps, "steps"), a, b)
        return cls((start, *(end + (start - end) * share for share in shares), 0.0))

    # Spaced by the index of a chain.

    @classmethod
    def on_chain(cls, indices: Sequence[float], chain: int = 1000) -> TimeGrid:
        """The steps of a discrete chain with these indices, then t = 0.

        Args:
            indices: Falling, in [0, chain - 1]; fractions lie between two steps.
        """
        if not all(0 <= i <= chain - 1 for i in indices):
            raise ValueError(f"the indices of a chain of {chain} steps must lie in 0 to {chain - 1}")
        return cls((*((i + 1) / chain for i in indices), 0.0))

    @classmethod
    def trailing(cls, steps: int, chain: int = 1000) -> TimeGrid:
        """Equal steps down from the end of a chain (Lin et al. 2023, 2305.08891, table 2)."""
        n = whole_number(steps, "steps", most=chain)
        return cls.on_chain([round(chain * (n - i) / n) - 1 for i in range(n)], chain)

    @classmethod
    def simple(cls, steps: int, chain: int = 1000) -> TimeGrid:
        """As ``trailing``, each index rounded up: chain - 1 - floor(i chain / steps) (ComfyUI)."""
        n = whole_number(steps, "steps", most=chain)
        return cls.on_chain([chain - 1 - int(i * (chain / n)) for i in range(n)], chain)

    @classmethod
    def beta_on_chain(cls, steps: int, a: float = 0.6, b: float = 0.6, chain: int = 1000) -> TimeGrid:
        """Quantiles 1, 1 - 1 / n, ..., 1 / n of Beta(a, b) as indices of a chain, ComfyUI's ``beta``.

        Lee et al. 2024 (arXiv 2407.12173); a and b as in ``beta``, which spaces times. Steps that are rounded
        to one index are one step, as in ComfyUI: from about 60 on the grid has fewer.
        """
        n = whole_number(steps, "steps", most=chain)
        indices = (round(beta_quantile(1 - i / n, a, b) * (chain - 1)) for i in range(n))
        return cls.on_chain(list(dict.fromkeys(indices)), chain)

    @classmethod
    def leading(cls, steps: int, chain: int = 1000, *, offset: int = 0, with_first: bool = True) -> TimeGrid:
        """Equal whole steps up from the start of a chain, without its end (Lin et al. 2023, table 2).

        Args:
            offset: Added to every index.
            with_first: Whether the network is evaluated at the lowest index, ``offset``. Without it the other
                steps are those of ``steps + 1``, as in diffusers' multistep schedulers.
        """
        count = whole_number(steps, "steps", most=chain) + (not with_first)
        ratio = chain // count
        return cls.on_chain([i * ratio + offset for i in range(count)][::-1][:steps], chain)

    @classmethod
    def linspace(
        cls, steps: int, chain: int = 1000, *, rounded: bool = True, with_first: bool = True
    ) -> TimeGrid:
        """Equal steps from the end of a chain to its start, both included (Lin et al. 2023, table 2).

        Args:
            rounded: To whole indices; else the points lie between the steps of the chain.
            with_first: As in ``leading``.
        """
        count = whole_number(steps, "steps", most=chain) + (not with_first)
        indices = [(chain - 1) * (count - 1 - i) / max(count - 1, 1) for i in range(steps)]
        indices[0] = chain - 1
        return cls.on_chain([round(i) for i in indices] if rounded else indices, chain)

    # Spaced by the levels of a process.

    @classmethod
    def of_sigmas(cls, sigmas: Sequence[float], process: Process) -> TimeGrid:
        """The times of ``process`` with these values of sigma / alpha, from 0 (data) to infinity (noise).

        Raises:
            ValueError: A value is below 0, or two have one time, as beyond the last level of the process.
        """
        if not all(sigma >= 0 for sigma in sigmas):
            raise ValueError("the sigmas of a grid must be at least 0")
        times = tuple(_time(process, sigma) if sigma > 0 else 0.0 for sigma in sigmas)
        if any(a == b for a, b in itertools.pairwise(times)):
            raise ValueError("the sigmas of a grid must differ and lie within the levels of the process")
        return cls(times)

    @classmethod
    def table(cls, sigmas: Sequence[float], process: Process, steps: int | None = None) -> TimeGrid:
        """A published list of sigma / alpha, resampled for any number of steps.

        Between the values log(sigma / alpha) is linear in the index, as Sabour et al. 2024 (arXiv 2404.14507,
        published code) prescribe; ``ALIGN_YOUR_STEPS`` holds their lists. The last value becomes t = 0.

        Args:
            sigmas: At least two falling numbers above 0.
            process: Whose levels are meant.
            steps: One less than the numbers of the list where not given.
        """
        if len(sigmas) < 2 or not all(a > b > 0 for a, b in itertools.pairwise(sigmas)):
            raise ValueError("a table needs at least two falling numbers above 0")
        n = len(sigmas) - 1 if steps is None else whole_number(steps, "steps")
        indices, logs = range(len(sigmas)), [math.log(sigma) for sigma in sigmas]
        points = (interpolate(i * (len(sigmas) - 1) / n, indices, logs) for i in range(n))
        return cls.of_sigmas([*(math.exp(point) for point in points), 0.0], process)

    @classmethod
    def karras(
        cls, steps: int, process: Process, *, rho: float = 7.0, start: float = 1.0, end: float | None = None
    ) -> TimeGrid:
        """Equal steps of (sigma / alpha)**(1 / rho), then t = 0 (Karras et al. 2022, 2206.00364, eq. 5).

        Args:
            rho: > 0; larger puts more steps near the data.
            start: The first time. Where it has alpha = 0, the spacing starts at ``start - end``.
            end: The last time before 0, at most half of ``start``.
        """
        check_positive(rho=rho)
        high, low = _ends(process, start, end)
        roots = _spaced(math.exp(-high / rho), math.exp(-low / rho), whole_number(steps, "steps"))
        return cls((start, *(_time_of_log_snr(process, -rho * math.log(root)) for root in roots), 0.0))

    @classmethod
    def uniform_log_snr(
        cls, steps: int, process: Process, *, start: float = 1.0, end: float | None = None
    ) -> TimeGrid:
        """Equal steps of log_snr, then t = 0 (Lu et al. 2022, 2206.00927, sec. 3.3); see ``karras``.

        k-diffusion's ``exponential``, equal steps of log(sigma / alpha), is the same.
        """
        log_snrs = _spaced(*_ends(process, start, end), whole_number(steps, "steps"))
        return cls((start, *(_time_of_log_snr(process, log_snr) for log_snr in log_snrs), 0.0))

    exponential = uniform_log_snr

    @classmethod
    def beta_sigmas(
        cls, steps: int, process: Process, a: float = 0.6, b: float = 0.6, *, end: float = 1e-3
    ) -> TimeGrid:
        """Quantiles of Beta(a, b) in sigma / alpha, then t = 0: diffusers' ``use_beta_sigmas`` (its code).

        Where alpha is 0 at t = 1, and sigma / alpha infinite, this is ``beta``, as in diffusers for flows. a
        and b are those of ``beta``.
        """
        high, low = process.level(1.0), process.level(end)
        if high.alpha == 0:
            return cls.beta(steps, a, b, end=end)
        least, most = low.sigma / low.alpha, high.sigma / high.alpha
        shares = _beta_shares(whole_number(steps, "steps"), a, b)
        return cls._from_one((least + (most - least) * share for share in shares), process)

    @classmethod
    def linear_quadratic(
        cls, steps: int, process: Process, *, threshold: float = 0.025, linear_steps: int | None = None
    ) -> TimeGrid:
        """Equal steps of u from 1 to 1 - threshold, then steps that grow quadratically, to 0.

        Where alpha is 0 at t = 1, u is the time of a rectified flow (Polyak et al. 2024, Movie Gen, arXiv
        2410.13720, sec. 3.4; Mochi's code); else it is sigma / alpha as a share of its largest value, as in
        ComfyUI.

        Args:
            threshold: 1 - u at the end of the equal steps, in (0, 1).
            linear_steps: How many are equal, at least 1 and fewer than ``steps``; half of them by default.
        """
        n = whole_number(steps, "steps")
        check_within(0, 1, without=(0, 1), threshold=threshold)
        if n == 1:
            return cls((1.0, 0.0))
        m = n // 2 if linear_steps is None else whole_number(linear_steps, "linear_steps", most=n - 1)
        slope = threshold / m
        # slope k + curve (k - m)**2 is 1 at k = n.
        curve = (1 - slope * n) / (n - m) ** 2
        shares = [1 - slope * k - curve * max(k - m, 0) ** 2 for k in range(1, n)]
        first = process.level(1.0)
        if first.alpha == 0:
            return cls._from_one((share / (1 - share) for share in shares), process)
        return cls._from_one((share * first.sigma / first.alpha for share in shares), process)

    @classmethod
    def flow_power(cls, steps: int, process: Process, *, power: float = 1.5, shift: float = 1.0) -> TimeGrid:
        """Equal steps of a root of flow time u = sigma / (alpha + sigma), shifted, from t = 1 to 0.

            u = shift w / (1 + (shift - 1) w),   w = v**power,   v in equal steps down to 0

        A rectified flow with a power and a shift of 1 has the uniform grid. Data divided by c and
        ``shift`` times c give the same grid.

        Args:
            power: > 0; above 1 it makes the steps near the data smaller.
            shift: > 0; above 1 it makes those near the noise smaller (Esser et al. 2024, 2403.03206, eq. 23).
        """
        n, first = whole_number(steps, "steps"), process.level(1.0)
        check_positive(power=power, shift=shift)
        v_first = (first.sigma / (first.sigma + shift * first.alpha)) ** (1 / power)
        shares = [(v_first * (1 - i / n)) ** power for i in range(1, n)]
        # sigma / alpha = u / (1 - u) = shift w / (1 - w)
        return cls._from_one((shift * w / (1 - w) for w in shares), process)

    @classmethod
    def kl_optimal(cls, steps: int, process: Process, *, end: float | None = None) -> TimeGrid:
        """Equal steps of the angle atan(sigma / alpha), then t = 0: the best for unit Gaussian data.

        Sabour et al. 2024 (arXiv 2404.14507), theorem 3.1.
        """
        n, end = whole_number(steps, "steps"), _end(process, end)
        high, low = (math.atan2(level.sigma, level.alpha) for level in map(process.level, (1.0, end)))
        return cls._from_one(map(math.tan, _spaced(high, low, n)), process)

    @classmethod
    def laplace(cls, steps: int, process: Process, *, mean: float = 0.0, scale: float = 0.5) -> TimeGrid:
        """Quantiles of a Laplace distribution of log(sigma / alpha), then t = 0.

            log(sigma / alpha) = mean - scale sgn(1/2 - u) log(1 - 2 |1/2 - u|),  u from 0 to 1

        Hang et al. 2024 (arXiv 2407.03297, table 1); as in k-diffusion, kept within the levels of the process
        from t = 1 to 1 / 1000.

        Args:
            mean: Centre of the distribution.
            scale: Its scale, > 0.
        """
        check_positive(scale=scale)
        n, last = whole_number(steps, "steps"), process.level(1e-3).log_snr
        log_snrs = []
        for u in (i / (n - 1) for i in range(1, n)):
            side = math.copysign(scale, 0.5 - u)
            log_snrs.append(min(-mean + side * math.log(1 - 2 * abs(0.5 - u) + 1e-5), last))
        times = dict.fromkeys(map(process.t_of_log_snr, log_snrs))
        return cls((1.0, *(t for t in times if t < 1), 0.0))

    @classmethod
    def _from_one(cls, rhos: Iterable[float], process: Process) -> TimeGrid:
        """From t = 1 over the times with these values of sigma / alpha to 0."""
        return cls((1.0, *(_time(process, rho) for rho in rhos), 0.0))

    # Changes of a grid.

    def shift(self, shift: float) -> TimeGrid:
        """t / (t + (1 - t) / s) for each t (Esser et al. 2024, 2403.03206, eq. 23): s > 1 favours the noise.

        Raises:
            ValueError: ``shift`` is not a finite number above 0.
        """
        check_positive(shift=shift)
        return TimeGrid(tuple(t / (t + (1 - t) / shift) for t in self.times), self.renoise_steps)

    def stretch(self, terminal: float) -> TimeGrid:
        """Scale 1 - t so that the last time above 0 is ``terminal``; 1 and 0 stay (LTX-Video's code).

        Args:
            terminal: In (0, 1).

        Raises:
            ValueError: ``terminal`` is outside, the grid rises or renoises, or no time lies between 0 and 1.
        """
        self._refuse_restarts("stretched")
        last = min(t for t in self.times if t > 0)
        if not 0 < terminal < 1 or last == 1 or not self.falling:
            raise ValueError(
                "only a falling grid with a time between 0 and 1 can be stretched, to a terminal within, "
                f"not to {terminal}"
            )
        return TimeGrid(tuple(t and 1 - (1 - t) * (1 - terminal) / (1 - last) for t in self.times))

    def until(self, end: float) -> TimeGrid:
        """The steps above ``end``, then ``end`` itself: a last level other than clean data.

        ``until(1 / chain)`` ends at the first step of a chain, which diffusers calls sigma_min.

        Args:
            end: From 0 to below the grid's first time.

        Raises:
            ValueError: ``end`` is outside, or the grid rises or renoises.
        """
        self._refuse_restarts("cut")
        if not self.falling or not 0 <= end < self.times[0]:
            raise ValueError(f"only a falling grid can be cut, at a time below its first, not at {end}")
        return TimeGrid((*(t for t in self.times if t > end), end))

    def truncate(self, strength: float) -> TimeGrid:
        """The last part of the steps, at least one: for variations of given data (Meng et al. 2022, arXiv
        2108.01073).

        Args:
            strength: Share of the steps that is kept, in (0, 1].

        Raises:
            ValueError: ``strength`` is outside, or the grid renoises.
        """
        self._refuse_restarts("truncated")
        check_within(0, 1, without=(0,), strength=strength)
        return TimeGrid(self.times[-1 - max(1, round(strength * self.steps)) :])

    def reverse(self) -> TimeGrid:
        """The same times in the other direction.

        Raises:
            ValueError: The grid renoises.
        """
        self._refuse_restarts("reversed")
        return TimeGrid(self.times[::-1])

    def restart(self, length: int, repeats: int, *, within: tuple[float, float] = (0.0, 1.0)) -> TimeGrid:
        """Each interval of ``length`` steps is run ``repeats`` times, with noise added between the runs.

        RePaint's schedule (Lugmayr et al. 2022, arXiv 2201.09865, sec. 4.2: jump length and resamplings);
        with one interval ``within``, the restart of Xu et al. 2023 (arXiv 2306.14878). The intervals are
        counted from the data. As in RePaint none begins at the grid's first time, where renoising would keep
        nothing of the state.

        Args:
            length: Steps of an interval, at least 1.
            repeats: Runs of each interval, at least 1; 1 changes nothing.
            within: Lowest and highest time of the intervals.

        Raises:
            ValueError: The grid rises or renoises, a number is below 1, or no interval fits.
        """
        self._refuse_restarts("restarted again")
        if not self.falling:
            raise ValueError("only a grid that falls from noise to data can restart")
        length, repeats = whole_number(length, "length"), whole_number(repeats, "repeats")
        low, high = within
        inside = [i for i in range(1, len(self.times)) if low <= self.times[i] <= high]
        if len(inside) <= length:
            raise ValueError(f"no interval of {length} steps fits within t = {low} to {high} of this grid")
        ends = set(range(inside[-1], inside[0] + length - 1, -length))
        times, renoise_steps = [self.times[0]], list[int]()
        for i in range(1, len(self.times)):
            times.append(self.times[i])
            for _ in range(repeats - 1 if i in ends else 0):
                renoise_steps.append(len(times) - 1)
                times.extend(self.times[i - length : i + 1])
        return TimeGrid(tuple(times), tuple(renoise_steps))

    def _refuse_restarts(self, done: str) -> None:
        if self.renoise_steps:
            raise ValueError(f"a grid that renoises cannot be {done}: let restart come last")


def check_falls(grid: TimeGrid, name: str) -> None:
    """Raises ValueError where the grid rises or renoises; ``name`` is what needs another."""
    if not grid.falling or grid.renoise_steps:
        raise ValueError(f"{name} needs a grid that falls from noise to data without renoising")


def _spaced(first: float, last: float, count: int) -> list[float]:
    """``count`` equally spaced numbers without the first."""
    return [first + (last - first) * i / (count - 1) for i in range(1, count)]


def _ends(process: Process, start: float, end: float | None) -> tuple[float, float]:
    """The log_snr at ``start``, or at ``start - end`` where that has no signal, and at ``end``."""
    end = _end(process, end)
    if not 0 < 2 * end <= start <= 1:
        raise ValueError(f"a grid needs 0 < 2 end <= start <= 1, not start = {start}, end = {end}")
    first = process.level(start)
    return (first if first.alpha > 0 else process.level(start - end)).log_snr, process.level(end).log_snr


def _end(process: Process, end: float | None) -> float:
    if end is not None:
        return end
    return FIRST if process.level(0.0).sigma > 0 else 1e-3


def _time(process: Process, rho: float) -> float:
    """The time with this sigma / alpha > 0."""
    return _time_of_log_snr(process, -math.log(rho))


def _time_of_log_snr(process: Process, log_snr: float) -> float:
    """The time of a level with noise, which is never 0."""
    return max(process.t_of_log_snr(log_snr), FIRST)


def _beta_shares(steps: int, a: float, b: float) -> list[float]:
    """The quantiles of Beta(a, b) at ``steps`` equally spaced shares from 1 to 0, without the first."""
    return [beta_quantile(1 - i / (steps - 1), a, b) for i in range(1, steps)]


def beta_quantile(share: float, a: float, b: float) -> float:
    """The x in [0, 1] below which Beta(a, b) has this share of its mass, by bisection.

    Args:
        share: In [0, 1].
        a: > 0.
        b: > 0.

    Raises:
        ValueError: An argument is outside.
    """
    if not 0 <= share <= 1 or not 0 < a < math.inf or not 0 < b < math.inf:
        raise ValueError(f"a quantile needs a share in [0, 1] and a, b above 0, not {share}, {a}, {b}")
    if share in (0.0, 1.0):
        return share
    half = _lower_mass(0.5, a, b)
    # From the nearer end, where the series converges and small x keep their digits.
    return _lower_quantile(share, a, b) if share <= half else 1 - _lower_quantile(1 - share, b, a)


def _lower_quantile(share: float, a: float, b: float) -> float:
    low, high = 0.0, 0.5
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if _lower_mass(middle, a, b) < share else (low, middle)
    return high


def _lower_mass(x: float, a: float, b: float) -> float:
    """I_x(a, b) for x <= 1/2: x**a (1 - x)**b / (a B(a, b)) sum (a + b)_n / (a + 1)_n x**n (DLMF 8.17.8)."""
    total, term, n = 0.0, 1.0, 0
    while term > total * 1e-17:
        n += 1
        total, term = total + term, term * (a + b + n - 1) / (a + n) * x
    log_beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    return math.exp(a * math.log(x) + b * math.log1p(-x) - log_beta) / a * total
