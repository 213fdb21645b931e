"""A dashboard: its variables, its links to the others, its marks of deploys, its rows of panels."""

from collections.abc import Sequence

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import (
    AnnotationQuery,
    Dashboard,
    DashboardCursorSync,
    DashboardLinkType,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from charts.dashboards.panels import SOURCE, Panel
from charts.dashboards.queries import SCOPE

TAG = "order-engine"
ALL = VariableOption(text="All", value="$__all", selected=True)
DEPLOYS = (
    f"max by (version) (order_engine_build_info{{{SCOPE}}})"
    f" unless max by (version) (order_engine_build_info{{{SCOPE}}} offset 2m)"
)
"""A version for the two minutes after it was first seen."""

Row = tuple[str, Sequence[Panel]]


def board(name: str, title: str, meaning: str, *rows: Row) -> Dashboard:
    """The dashboard `name`, of titled rows of panels, which fill lines of 24 columns."""
    made = (
        dashboard.Dashboard(f"Order Engine / {title}")
        .uid(f"order-engine-{name}")
        .description(meaning)
        .tags([TAG])
        .timezone("browser")
        .time("now-1h", "now")
        .refresh("30s")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").type("prometheus"))
        .with_variable(_variable("namespace", "order_engine_build_info"))
        .with_variable(_variable("release", 'order_engine_build_info{namespace=~"$namespace"}'))
        .link(_others())
        .annotation(_Deploys())
    )
    for heading, panels in rows:
        made.with_row(dashboard.Row(heading))
        for panel in panels:
            made.with_panel(panel)
    return _numbered(made.build())


def _variable(name: str, source: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .datasource(SOURCE)
        .query(f"label_values({source}, {name})")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(ALL)
    )


def _others() -> dashboard.DashboardLink:
    """The other dashboards, with the same variables and time."""
    link = dashboard.DashboardLink("Order Engine").type(DashboardLinkType.DASHBOARDS).tags([TAG])
    return link.include_vars(True).keep_time(True)


class _Deploys(Builder[AnnotationQuery]):
    def build(self) -> AnnotationQuery:
        return _Titled(name="Deploys", datasource=SOURCE, icon_color="blue", expr=DEPLOYS)


class _Titled(AnnotationQuery):
    """The SDK knows no titles of annotations."""

    def to_json(self) -> dict[str, object]:
        return super().to_json() | {"titleFormat": "{{version}}", "step": "30s"}


def _numbered(made: Dashboard) -> Dashboard:
    """With ids, which Grafana would give in an order of its own."""
    for number, panel in enumerate(made.panels or [], 1):
        panel.id_val = number
    return made
