"""All that is chosen by name for one run: solver, grid, guidance, cache and noise rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

from gen import presets
from gen.checks import within
from gen.config import convert
from gen.errors import UsageError
from gen.plan.choice import Choice, Chosen, checked, choose, choose_grid, choose_solver, noun_of
from gen.plugin.specs import CacheSpec, ChoiceSpec, GridSpec, GuidanceSpec, NoiseSpec, SolverSpec
from gen.presets import GridList

if TYPE_CHECKING:
    from gen.diffusion import Denoiser, Guidance, NoiseSource, Process, Solver, TimeGrid
    from gen.diffusion.guidance import Chain
    from gen.diffusion.joint import JointDenoiser

Given: TypeAlias = Choice | str
D = TypeVar("D")
NOISE = "independent"
"""The noise rule where nobody names one."""

CHAIN = ">>"
"""What stands between the links of a chain that is one text."""

NO_CACHE = "none"


@dataclass(frozen=True)
class Choices:
    """What was chosen, resolved to specs; builds the objects of a run.

    Args:
        solver: How to step.
        grid: At which levels; named, or a list of numbers.
        guides: A rule of guidance, then modifiers in the order in which they are applied.
        cache: Evaluations that are skipped; None evaluates all.
        noise: Where noise comes from.
    """

    solver: Chosen[SolverSpec]
    grid: Chosen[GridSpec] | GridList
    guides: tuple[Chosen[GuidanceSpec], ...]
    cache: Chosen[CacheSpec] | None
    noise: Chosen[NoiseSpec]

    @property
    def specs(self) -> tuple[ChoiceSpec, ...]:
        """The specs of all that was chosen by name."""
        found: list[Chosen[SolverSpec] | Chosen[GridSpec] | Chosen[CacheSpec] | Chosen[NoiseSpec] | None]
        found = [self.solver, self.cache, self.noise]
        if isinstance(self.grid, Chosen):
            found.append(self.grid)
        return (*(one.spec for one in found if one is not None), *(guide.spec for guide in self.guides))

    def settled(self, steps: int, guidance: float) -> Choices:
        """These with what ``default`` stands for in its place, so that a recipe says what ran.

        Settings that are given with ``default`` stay.

        Args:
            steps: Of the run.
            guidance: Its scale.
        """
        found = presets.default_choices(steps, guidance)
        solver, grid = self.solver, self.grid
        if solver.spec == presets.DEFAULT_SOLVER:
            spec = presets.SOLVERS[found.solver]
            solver = Chosen(spec, checked(spec, {**found.solver_settings, **solver.settings}))
        if isinstance(grid, Chosen) and grid.spec == presets.DEFAULT_GRID:
            even = presets.GRIDS[found.grid]
            grid = Chosen(even, checked(even, {**found.grid_settings, **grid.settings}))
        return replace(self, solver=solver, grid=grid)

    def make_solver(self, process: Process) -> Solver:
        """The solver for a process.

        Raises:
            UsageError: Its settings do not fit each other.
        """
        from gen.diffusion import Solver as Expected

        made: Solver = self.solver.build(Expected, process=process)
        if not (plugin := self.solver.spec.plugin):
            return made
        from gen.plan.guarded import guarded_solver

        return guarded_solver(made, plugin, self.solver.spec.name)

    def make_grid(self, steps: int, process: Process, own: Callable[[], TimeGrid]) -> TimeGrid:
        """The grid for a process.

        Args:
            steps: At least 1.
            process: That of the model.
            own: Makes the grid that the model brings.

        Raises:
            UsageError: It cannot have these steps on this process.
        """
        if isinstance(self.grid, GridList):
            try:
                return self.grid.build(process)
            except ValueError as error:
                raise UsageError(f"grid list: {error}") from error
        from gen.diffusion import TimeGrid as Expected

        made: TimeGrid = self.grid.build(Expected, steps=steps, process=process, own=own)
        return made

    def make_guidance(
        self, scale: float, process: Process, denoiser: Denoiser | JointDenoiser, shape: Sequence[int]
    ) -> Guidance | Chain:
        """The guidance for a denoiser.

        Args:
            scale: The guidance scale.
            process: That of the model.
            denoiser: What is guided.
            shape: Of the state of one item that the network gets.

        Raises:
            UsageError: Its settings do not fit each other, or the model lacks what it needs.
        """
        from gen.diffusion import Guidance as Expected
        from gen.diffusion.guidance import Chain as Also

        rule, *modifiers = self.guides
        parts = _parts(denoiser, process, shape, self.guides)
        made: Guidance | Chain = rule.build(Expected, Also, scale=scale, **parts)
        makers = _makers((), made, rule.spec)
        for modifier in modifiers:
            made = modifier.build(Expected, Also, guidance=made, **parts)
            makers = _makers(makers, made, modifier.spec)
        if not any(guide.spec.plugin for guide in self.guides):
            return made
        from gen.plan.guarded import guarded_guidance

        return Also(
            tuple(
                guarded_guidance(link, spec.plugin, spec.name) if spec.plugin else link
                for link, spec in makers
            )
        )

    def cached(self, denoiser: D, process: Process, shape: Sequence[int]) -> D:
        """A denoiser with the cache; of one state of numbers, where there is one.

        Raises:
            UsageError: The model lacks what the cache needs.
        """
        if self.cache is None:
            return denoiser
        cache, spec = self.cache, self.cache.spec
        parts = _parts(denoiser, process, shape, (cache,))

        def build(one: object) -> Any:
            return cache.build(Callable, denoiser=one, **parts)

        if not spec.plugin:
            return cast(D, build(denoiser))
        from gen.plan.guarded import guarded_cache

        return cast(D, guarded_cache(build, cast("Denoiser", denoiser), spec.plugin, spec.name))

    def make_noise(self, seeds: Sequence[int]) -> NoiseSource:
        """The noise of a batch, one seed per item."""
        from gen.diffusion import NoiseSource as Expected

        made: NoiseSource = self.noise.build(Expected, seeds=seeds)
        if not (plugin := self.noise.spec.plugin):
            return made
        from gen.plan.guarded import guarded_noise

        return guarded_noise(made, plugin, self.noise.spec.name)


def core_choices(solver: Given, grid: Given) -> Choices:
    """Choices among what the core declares, with the guidance of the solver, no cache and independent noise.

    Raises:
        UsageError: There is no such solver or grid.
    """
    grids = (*presets.GRIDS.values(), presets.DEFAULT_GRID, presets.MODEL_GRID)
    chosen, named = choose_solver((*presets.SOLVERS.values(), presets.DEFAULT_SOLVER), grids, solver)
    return Choices(
        solver=chosen,
        grid=choose_grid(grids, named.grid or grid),
        guides=choose_guides(tuple(presets.GUIDANCES.values()), None, None, chosen.spec.guidance),
        cache=None,
        noise=choose(presets.NOISES.values(), NOISE, "noise"),
    )


def choose_guides(
    specs: Sequence[GuidanceSpec], given: Given | Sequence[Given] | None, interval: object, default: str
) -> tuple[Chosen[GuidanceSpec], ...]:
    """A chain of guidance: a rule, then modifiers.

    Args:
        specs: What can be chosen.
        given: One or more, each a choice or a text; a text may hold several with ``>>`` between them.
        interval: (lowest, highest) time with guidance, or the text ``"0.2:0.8"``; None for all.
        default: The rule where none is given.

    Raises:
        UsageError: A choice is none, or the chain does not begin with its only rule.
    """
    items = [given] if isinstance(given, (Choice, str)) else given or ()
    if not isinstance(items, Sequence):
        raise UsageError(f"guide must be a text, a gen.Choice or a list of them, not {type(given).__name__}")
    links = [
        link for item in items for link in (item.split(CHAIN) if isinstance(item, str) else [item]) if link
    ]
    chain = [choose(specs, link, "guidance") for link in links]
    if not chain or chain[0].spec.role != "rule":
        chain.insert(0, choose(specs, default, "guidance"))
    for later in chain[1:]:
        if later.spec.role == "rule":
            raise UsageError(
                f"{chain[0].spec.name} and {later.spec.name} are both rules of guidance",
                "give one rule first, then modifiers; `gen guidances` lists them",
            )
    if interval is not None:
        low, high = _interval(interval)
        chain.insert(1, choose(specs, Choice("interval", low=low, high=high), "guidance"))
    return tuple(chain)


def choose_cache(specs: Sequence[CacheSpec], given: Given | None) -> Chosen[CacheSpec] | None:
    """A cache; None where there is none, or its name is ``"none"``.

    Raises:
        UsageError: There is no such cache, or its settings are wrong.
    """
    if given is None or (isinstance(given, str) and given.strip().lower() in ("", NO_CACHE)):
        return None
    return choose(specs, given, "cache")


def check_scale(guides: Sequence[Chosen[GuidanceSpec]], scale: float) -> None:
    """Refuse a scale that the rule of guidance does not take.

    Raises:
        UsageError: It is out of bounds.
    """
    rule = guides[0].spec
    try:
        within(f"guidance of {rule.name}", scale, rule.scales)
    except UsageError as error:
        raise UsageError(error.message, "change the guidance, or its rule with `guide=…`") from None


def _makers(
    before: Sequence[tuple[Guidance, GuidanceSpec]], made: Guidance | Chain, spec: GuidanceSpec
) -> list[tuple[Guidance, GuidanceSpec]]:
    """The links of a chain, each with the spec whose code it is.

    Args:
        before: Those before ``spec`` was applied.
        made: What its factory returned.
        spec: Of the core or a plugin. A link that the core has changed is still that of the one before.
    """
    from gen.diffusion.guidance import Chain as Expected

    def maker(link: Guidance) -> GuidanceSpec:
        same = (old for one, old in before if one is link or (not spec.plugin and type(one) is type(link)))
        return next(same, spec)

    return [(link, maker(link)) for link in (made.parts if isinstance(made, Expected) else (made,))]


def _interval(given: object) -> tuple[float, float]:
    if isinstance(given, str):
        given = given.split(":")
    if not isinstance(given, Sequence) or len(given) != 2:
        raise UsageError("the guidance interval must be two times", "write it as 0.2:0.8; 1 is noise")
    low, high = (convert(end, float, "guidance_interval", "") for end in given)
    assert isinstance(low, float)
    assert isinstance(high, float)
    if not 0 <= low <= high <= 1:
        raise UsageError(f"the guidance interval {low:g}:{high:g} is not low:high from 0 to 1")
    return low, high


def _parts(
    denoiser: object,
    process: Process,
    shape: Sequence[int],
    chosen: Sequence[Chosen[GuidanceSpec] | Chosen[CacheSpec]],
) -> dict[str, object]:
    """What the factories need of a model.

    Raises:
        UsageError: One needs the network or its layers, and the model does not show them.
    """
    from gen.diffusion import ModelDenoiser

    parts: dict[str, object] = {"process": process}
    for one in chosen:
        label = f"{noun_of(type(one.spec))} {one.spec.name}"
        if not {"model", "layers"} & set(one.spec.needs):
            continue
        if not isinstance(denoiser, ModelDenoiser):
            raise UsageError(f"{label} changes the network, which this model does not show", "choose another")
        parts["model"] = denoiser
        if "layers" in one.spec.needs:
            layers = getattr(denoiser.network, "declare_layers", None)
            if not callable(layers):
                raise UsageError(
                    f"{label} changes layers, and the network of this model declares none", "choose another"
                )
            parts["layers"] = layers(shape)
    return parts
