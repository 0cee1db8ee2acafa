"""Networks that a user could bring, good and bad."""

from __future__ import annotations

import torch
from torch import nn


class Own(nn.Module):
    """One convolution, and a buffer that no file holds."""

    def __init__(self, in_channels, out_channels, dimensions=3, *, scale=1.0, padding=1):
        super().__init__()
        kind = nn.Conv3d if dimensions == 3 else nn.Conv2d
        self.layer = kind(in_channels, out_channels, 3, padding=padding)
        self.register_buffer("scale", torch.tensor(float(scale)), persistent=False)

    def forward(self, raw):
        return self.layer(raw) * self.scale


class Looks(Own):
    """Looks at values, so that it runs with them alone."""

    def forward(self, raw):
        return super().forward(raw) if float(raw.sum()) >= 0 else raw


class Counts(Own):
    """Looks at values as it is made."""

    def __init__(self, in_channels, out_channels, dimensions=3):
        super().__init__(in_channels, out_channels, dimensions)
        self.rates = [value.item() for value in torch.linspace(0, 1, 3)]


class Halved(Own):
    """Returns every second voxel."""

    def forward(self, raw):
        return super().forward(raw)[..., ::2]


class Enlarged(Own):
    """Returns more than it was given."""

    def forward(self, raw):
        return super().forward(raw).repeat_interleave(2, -1)


class OneMore(Own):
    """Returns another channel than it was asked for."""

    def forward(self, raw):
        out = super().forward(raw)
        return torch.cat([out, out[:, :1]], 1)


class Several(Own):
    """Returns a list in training."""

    def forward(self, raw):
        out = super().forward(raw)
        return [out, out] if self.training else out


class Dropping(Own):
    """Draws at random in training."""

    def forward(self, raw):
        return nn.functional.dropout(super().forward(raw), 0.5, self.training)
