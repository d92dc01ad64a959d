"""The smallest transformer with text: states of one axis, a token for each place."""

from dataclasses import dataclass

from torch import Tensor, nn

from gen.nn import TextTransformer, TextTransformerShape


@dataclass(frozen=True)
class LineShape(TextTransformerShape):
    channels: int


class Line(TextTransformer[LineShape]):
    def add_input(self) -> None:
        self.line_in = nn.Linear(2 * self.shape.channels + 1, self.shape.width)

    def add_output(self) -> nn.Linear:
        self.line_out = nn.Linear(self.shape.width, self.shape.channels)
        return self.line_out

    def tokens(self, x: Tensor) -> Tensor:
        return self.line_in(x.transpose(1, 2))

    def state(self, tokens: Tensor) -> Tensor:
        return self.line_out(tokens).transpose(1, 2)
