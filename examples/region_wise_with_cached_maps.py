"""Train a plain U-Net to find lesions with the region-wise loss, from maps that are made once and kept.

The maps are those of whole images; random crops and flips treat image, labels and map alike. Half a minute on
one core. Run it twice with a folder of your own instead of the temporary one, and no map is made again.
"""

import random
from tempfile import TemporaryDirectory

import torch
from monai.networks.nets import UNet
from torch.utils.data import DataLoader

from objectwise import (
    CombinedLoss,
    Gradual,
    MapCache,
    MapDataset,
    RegionWiseLoss,
    SoftDiceLoss,
    lesion_phantom,
)
from objectwise.maps import rectified_region_wise_map

EPOCHS = 8


def image_and_classes(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    patient = lesion_phantom((128, 128), seed=seed, smallest=20, largest=800)
    raw = torch.from_numpy(patient.raw)[None] / 255
    return raw, torch.from_numpy((patient.labels > 0).astype("uint8"))[None]


def crop_and_flip(sample: tuple[torch.Tensor, ...], size: int = 64) -> tuple[torch.Tensor, ...]:
    y, x = (random.randrange(128 - size) for _ in range(2))
    axes = [axis for axis in (-2, -1) if random.random() < 0.5]
    return tuple(tensor[..., y : y + size, x : x + size].flip(axes) for tensor in sample)


random.seed(0)
torch.manual_seed(0)
images = [image_and_classes(seed) for seed in range(33)]
network = UNet(2, in_channels=1, out_channels=2, channels=(16, 32, 64), strides=(2, 2))
loss = CombinedLoss({"dice": SoftDiceLoss(), "region": RegionWiseLoss()}, Gradual(length=EPOCHS))
optimizer = torch.optim.Adam(network.parameters(), lr=0.01)

with TemporaryDirectory() as folder:
    cache = MapCache(folder, rectified_region_wise_map, n_classes=2, spatial_dims=2)
    patches = MapDataset(images[:-1], cache, transform=crop_and_flip)  # the last image is kept for the end
    for _ in range(EPOCHS):
        for raw, classes, weight_map in DataLoader(patches, batch_size=4, shuffle=True):
            total = loss(network(raw), classes, weight_map=weight_map)
            optimizer.zero_grad()
            total.backward()
            optimizer.step()
        loss.step()  # from Dice to region-wise, an epoch at a time

raw, classes = images[-1]
found = network(raw[None]).argmax(1).detach()
overlap = 2 * (found * classes).sum() / (found.sum() + classes.sum())
print(f"Dice of the lesions in an image not seen: {overlap:.3f}")
