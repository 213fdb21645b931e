"""The kinds of panels, each with a description, a unit, and links to its alerts' runbooks."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from grafana_foundation_sdk.builders import common as build
from grafana_foundation_sdk.builders import dashboard as board
from grafana_foundation_sdk.builders import heatmap as heat
from grafana_foundation_sdk.builders import prometheus, stat, table, timeseries
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from charts.dashboards.queries import quantile

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
RUNBOOKS = "https://runbooks.invalid"
"""What the chart replaces by `runbooks.url`."""

BURN = "suffix: ×"
BPS = "suffix: bps"

Panel = stat.Panel | timeseries.Panel | heat.Panel | table.Panel
P = TypeVar("P", stat.Panel, timeseries.Panel, heat.Panel, table.Panel)
Query = prometheus.Dataquery


def target(expr: str, legend: str = "", *, exemplars: bool = False) -> Query:
    """A query over the dashboard's time."""
    query = Query().datasource(SOURCE).expr(expr).range().legend_format(legend or "__auto")
    return query.exemplar(True) if exemplars else query


def percentiles(
    histogram: str, *shares: float, where: str = "", exemplars: bool = False
) -> list[Query]:
    """A curve for each share of the observations, `p50` and so on."""
    return [
        target(quantile(share, histogram, where=where), f"p{share * 100:g}", exemplars=exemplars)
        for share in shares
    ]


def rising(*limits: float) -> list[Threshold]:
    """Green, and from the limits on orange and red; with one limit red."""
    colors = ("orange", "red")[-len(limits) :]
    return [Threshold(None, "green"), *map(Threshold, limits, colors)]


def falling(*limits: float) -> list[Threshold]:
    """Red, and from the limits on orange and green; with one limit green."""
    colors = ("orange", "green")[-len(limits) :]
    return [Threshold(None, "red"), *map(Threshold, limits, colors)]


NEUTRAL = [Threshold(None, "blue")]
"""Neither good nor bad."""


def number(
    title: str,
    unit: str,
    description: str,
    query: str | Query,
    *,
    limits: Sequence[Threshold] = NEUTRAL,
    alerts: Sequence[str] = (),
    empty: str = "no traffic",
    is_instant: bool = False,
) -> stat.Panel:
    """The last value, large and coloured by its limits, above its course unless instant."""
    asked = target(query) if isinstance(query, str) else query
    panel = (
        stat.Panel()
        .unit(unit)
        .thresholds(_steps(limits))
        .color_mode(common.BigValueColorMode.BACKGROUND)
        .graph_mode(common.BigValueGraphMode.NONE if is_instant else common.BigValueGraphMode.AREA)
        .reduce_options(build.ReduceDataOptions().calcs(["lastNotNull"]))
        .no_value(empty)
        .with_target((asked.instant() if is_instant else asked).ref_id("A"))
    )
    return _told(panel, title, description, alerts).span(3).height(4)


def lines(
    title: str,
    unit: str,
    description: str,
    *targets: Query,
    limits: Sequence[Threshold] = NEUTRAL,
    alerts: Sequence[str] = (),
    label: str = "",
    right: Mapping[str, str] | None = None,
    is_stacked: bool = False,
    is_bars: bool = False,
    width: int = 8,
) -> timeseries.Panel:
    """Curves. Limits are dashed lines. `right` are the units of the curves, by their legend, that
    have their axis on the right."""
    panel = (
        timeseries.Panel()
        .unit(unit)
        .axis_label(label)
        .thresholds(_steps(limits))
        .fill_opacity(70 if is_stacked or is_bars else 8)
        .show_points(common.VisibilityMode.NEVER if not is_bars else common.VisibilityMode.AUTO)
        .legend(
            build.VizLegendOptions()
            .show_legend(True)
            .display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM)
        )
        .tooltip(
            build.VizTooltipOptions()
            .mode(common.TooltipDisplayMode.MULTI)
            .sort(common.SortOrder.DESCENDING)
        )
    )
    if not is_bars:
        panel.axis_soft_min(0)
    if len(limits) > 1:
        panel.thresholds_style(
            build.GraphThresholdsStyleConfig().mode(common.GraphTresholdsStyleMode.DASHED)
        )
    if is_stacked:
        panel.stacking(build.StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
    if is_bars:
        panel.draw_style(common.GraphDrawStyle.BARS)
    for name, its_unit in (right or {}).items():
        axis = [("unit", its_unit), ("custom.axisPlacement", "right")]
        panel.override_by_name(
            name, [DynamicConfigValue(id_val=key, value=value) for key, value in axis]
        )
    for ref, each in zip("ABCDEFGH", targets, strict=False):
        panel.with_target(each.ref_id(ref))
    return _told(panel, title, description, alerts).span(width).height(7)


def heatmap(
    title: str,
    unit: str,
    description: str,
    buckets: str,
    *,
    alerts: Sequence[str] = (),
    label: str = "",
    exemplars: bool = False,
    width: int = 8,
) -> heat.Panel:
    """How a histogram's observations are spread over time; with exemplars, single orders."""
    query = target(buckets, "{{le}}", exemplars=exemplars).format(PromQueryFormat.HEATMAP)
    panel = (
        heat.Panel()
        .unit("short")
        .calculate(False)
        .y_axis(heat.YAxisConfig().unit(unit).axis_label(label))
        .color(heat.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Turbo").steps(64))
        .cell_gap(1)
        .show_legend()
        .show_tooltip()
        .with_target(query.ref_id("A"))
    )
    return _told(panel, title, description, alerts).span(width).height(7)


def alerts_firing(title: str, description: str, expr: str, *, width: int = 8) -> table.Panel:
    """One line for each alert that fires; its name leads to its runbook."""
    runbook = [{"title": "Runbook", "url": f"{RUNBOOKS}/${{__value.raw}}", "targetBlank": True}]
    panel = (
        table.Panel()
        .unit("string")
        .no_value("Nothing fires.")
        .show_header(True)
        .with_target(target(expr).instant().format(PromQueryFormat.TABLE).ref_id("A"))
        .with_transformation(
            DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": {"Time": True, "Value": True},
                    "indexByName": {"alertname": 0, "severity": 1, "namespace": 2, "release": 3},
                },
            )
        )
        .override_by_name("alertname", [DynamicConfigValue(id_val="links", value=runbook)])
    )
    return _told(panel, title, description, ()).span(width).height(7)


def _told(panel: P, title: str, description: str, alerts: Sequence[str]) -> P:
    panel.title(title).description(description).datasource(SOURCE)
    if alerts:
        panel.links([_runbook(alert) for alert in alerts])
    return panel


def _runbook(alert: str) -> board.DashboardLink:
    link = board.DashboardLink(f"Runbook: {alert}").type(DashboardLinkType.LINK)
    return link.url(f"{RUNBOOKS}/{alert}").target_blank(True)


def _steps(limits: Sequence[Threshold]) -> Any:
    return board.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(list(limits))
