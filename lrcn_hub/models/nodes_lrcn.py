"""What a random field says of a video: nodes (activity, tool, object, ...) and how likely each of their labels is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .limits_lrcn import MAX_LABELS, MAX_LAYERS, check_count

TOLERANCE = 1e-3  # by how much a distribution's sum may differ from one


@dataclass(frozen=True)
class Nodes:
    """The nodes of a narrator, in the order of its configuration's `node_sizes`.

    Raises ValueError for nodes without labels, labels that are no text or occur twice, and more than anybody needs.
    """

    labels: dict[str, list[str]]
    """Node -> its labels, in the order of the values of its distribution."""
    absent_label: str = "none"
    """The label that says that there is no such thing; it adds no word to a source sentence."""
    _word_ids: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.labels, Mapping) or not self.labels:
            raise ValueError(
                f"node labels are {_shown(self.labels)}; they must be node: [label, ...], at least one node"
            )
        check_count("the number of nodes", len(self.labels), MAX_LAYERS)
        for node, labels in self.labels.items():
            if not isinstance(labels, list | tuple) or not all(isinstance(label, str) for label in labels):
                raise ValueError(f"the labels of node {node!r} are {_shown(labels)}; they must be a list of texts")
            check_count(f"the number of labels of node {node!r}", len(labels), MAX_LABELS)
            if len(set(labels)) < len(labels):
                twice = next(label for label in labels if labels.count(label) > 1)
                raise ValueError(f"node {node!r} has the label {twice!r} twice")
        if not isinstance(self.absent_label, str):
            raise ValueError(f"absent_label is {_shown(self.absent_label)}; it must be a text")
        words = {word for labels in self.labels.values() for label in labels for word in self._words(label)}
        object.__setattr__(self, "_word_ids", {word: number for number, word in enumerate(sorted(words), start=1)})

    @property
    def sizes(self) -> list[int]:
        """The number of labels of each node."""
        return [len(labels) for labels in self.labels.values()]

    @property
    def vocabulary(self) -> list[str]:
        """The words that labels are made of, sorted, without the absent label's."""
        return list(self._word_ids)

    def distributions(self, given: Any, name: str) -> list[list[float]]:
        """Read what is known of one video: probabilities for each node, in the order of the nodes.

        `given` maps every node to its label, to probabilities by label (a label left out has 0), or to a list of
        probabilities; or it is a list of these, in the order of the nodes. Raises ValueError that begins with `name`
        where that is not so, or where probabilities do not sum to one within a thousandth.
        """
        if isinstance(given, Mapping):
            self._check_names(given, name)
            given = [given[node] for node in self.labels]
        cells = _listed(given)
        if cells is None:
            raise ValueError(f"{name}: nodes are {_shown(given)}; they must be a mapping {self._form()}")
        if len(cells) != len(self.labels):
            raise ValueError(f"{name}: there are {len(cells)} nodes; they must be {self._form()}")
        return [self._distribution(node, cell, name) for node, cell in zip(self.labels, cells, strict=True)]

    def likeliest(self, distributions: Sequence[Sequence[float]]) -> list[str]:
        """The likeliest label of each node; of equally likely ones the first."""
        pairs = zip(self.labels.values(), distributions, strict=True)
        return [labels[max(range(len(labels)), key=list(given).__getitem__)] for labels, given in pairs]

    def source_words(self, distributions: Sequence[Sequence[float]]) -> list[str]:
        """The likeliest labels as a sentence: "cutting board" is two words, absent ones are none (paper figure 6)."""
        return [word for label in self.likeliest(distributions) for word in self._words(label)]

    def source_ids(self, distributions: Sequence[Sequence[float]]) -> list[int]:
        """The same as ids: 1 and more, in the order of `vocabulary`; 0 is left for filling up."""
        return [self._word_ids[word] for word in self.source_words(distributions)]

    def _words(self, label: str) -> list[str]:
        return [] if label == self.absent_label else label.split()

    def _form(self) -> str:
        return "of the nodes " + ", ".join(f"{node} ({len(labels)})" for node, labels in self.labels.items())

    def _check_names(self, given: Mapping[str, Any], name: str) -> None:
        missing = [node for node in self.labels if node not in given]
        unknown = [node for node in given if node not in self.labels]
        if missing or unknown:
            parts = [f"node {node!r} is missing" for node in missing] + [f"there is no node {n!r}" for n in unknown]
            raise ValueError(f"{name}: {', '.join(parts)}; the nodes are {', '.join(self.labels)}")

    def _distribution(self, node: str, cell: Any, name: str) -> list[float]:
        labels = self.labels[node]
        if isinstance(cell, str):
            cell = {cell: 1.0}
        if isinstance(cell, Mapping):
            for label in cell:
                if label not in labels:
                    raise ValueError(f"{name}: node {node!r} has no label {label!r}{self._hint(label)}")
            cell = [cell.get(label, 0.0) for label in labels]
        values = _listed(cell)
        if values is None or not all(isinstance(value, int | float) for value in values):
            raise ValueError(f"{name}: node {node!r} is {_shown(cell)}; it must be a label or probabilities")
        if len(values) != len(labels):
            order = f" (the order of the nodes is {', '.join(self.labels)})" if len(values) in self.sizes else ""
            raise ValueError(f"{name}: node {node!r} has {len(values)} values, but {len(labels)} labels{order}")
        return self._checked(node, values, name)

    def _checked(self, node: str, values: list[float], name: str) -> list[float]:
        for label, value in zip(self.labels[node], values, strict=True):
            if not 0 <= value <= 1 + TOLERANCE:  # NaN is neither
                raise ValueError(f"{name}: node {node!r} gives {label!r} the probability {value}")
        if abs(sum(values) - 1) > TOLERANCE:
            raise ValueError(f"{name}: the probabilities of node {node!r} sum to {sum(values):.6g}, not to one")
        return [float(value) for value in values]

    def _hint(self, label: Any) -> str:
        """Name the node that has the label, as where nodes are given in another order."""
        owners = [node for node, labels in self.labels.items() if label in labels]
        order = f"; the order of the nodes is {', '.join(self.labels)}"
        return f", but node {owners[0]!r} has it{order}" if owners else ""


def _listed(values: Any) -> list[Any] | None:
    """A list of what a list, a tuple, an array or a tensor holds; none for anything else."""
    values = values.tolist() if hasattr(values, "tolist") else values
    return list(values) if isinstance(values, list | tuple) else None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
