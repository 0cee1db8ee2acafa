"""Train a plain U-Net with MALIS on made-up tissue and segment tissue that it has not seen.

No pipeline, no configuration: imports apart, 20 lines of code, and half a minute on one core. The U-Net
is MONAI's: `pip install monai`, or objectwise with the extra `pipeline`.
"""

import torch
from monai.networks.nets import UNet

from objectwise import MalisLoss, Neighborhood, affinity_bce_loss, neuropil_phantom
from objectwise.metrics import evaluate
from objectwise.segmentation import segment

edges = Neighborhood.nearest(2)  # to the pixel above and to the left
tissue = [neuropil_phantom((96, 96), seed=seed) for seed in range(41)]
raw = torch.stack([torch.from_numpy(one.raw)[None] / 255 for one in tissue])
labels = torch.stack([torch.from_numpy(one.labels) for one in tissue])

torch.manual_seed(0)
network = UNet(2, in_channels=1, out_channels=len(edges), channels=(16, 32, 64), strides=(2, 2))
malis = MalisLoss(edges)
optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
for step in range(200):
    batch = torch.randint(40, (4,))  # the last image is kept for the end
    logits = network(raw[batch])
    loss = affinity_bce_loss(logits, labels[batch], edges)
    if step >= 100:  # MALIS needs paths worth learning from, cross-entropy makes them
        loss = loss + malis(logits, labels[batch])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

affinities = network(raw[-1:]).sigmoid().detach().numpy()[0]
segmentation = segment(affinities, edges, method="watershed", threshold=0.5)
print(evaluate(truth=tissue[-1].labels, segmentation=segmentation))
