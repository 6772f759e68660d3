"""The parametric circuit families, by name. To add one: write it in the file of its group and list it there."""

from data_pipeline.circuit import Family
from data_pipeline.families import arithmetic, counters, gates, machines, registers, selection

FAMILIES: dict[str, Family] = {
    family.name: family
    for group in (gates, selection, arithmetic, registers, counters, machines)
    for family in group.FAMILIES
}
