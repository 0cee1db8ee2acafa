"""Train a plain PyTorch U-Net with MALIS on made-up tissue: no pipeline, no configuration, half a minute."""

import torch
from torch import nn

from objectwise import MalisLoss, Neighborhood, affinity_bce_loss, neuropil_phantom

neighborhood = Neighborhood.nearest(2)  # edges to the pixel above and to the left
tissue = [neuropil_phantom((96, 96), seed=seed) for seed in range(8)]
raw = torch.stack([torch.from_numpy(one.raw)[None] / 255 for one in tissue])
labels = torch.stack([torch.from_numpy(one.labels.astype("int64")) for one in tissue])


def block(i: int, o: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.GroupNorm(4, o), nn.ReLU())


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fine, self.coarse, self.up = block(1, 16), block(16, 32), block(48, 16)
        self.head = nn.Conv2d(16, len(neighborhood), 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        fine = self.fine(x)
        coarse = nn.functional.interpolate(self.coarse(nn.functional.max_pool2d(fine, 2)), scale_factor=2)
        return self.head(self.up(torch.cat([fine, coarse], 1)))


torch.manual_seed(0)
network, malis = UNet(), MalisLoss(neighborhood)
optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
for step in range(120):
    optimizer.zero_grad()
    logits = network(raw)
    loss = affinity_bce_loss(logits, labels, neighborhood)  # a start: MALIS needs paths worth learning from
    if step >= 60:
        loss = loss + malis(logits, labels)
    loss.backward()
    optimizer.step()
    if step % 20 == 19:
        print(f"step {step + 1:3d}  loss {loss.item():.3f}  MALIS {malis(logits, labels).item():.3f}")
