"""Counting the dots in a picture that is read row by row: a task with data, a model and a measure of its own."""

import numpy as np
import transformers
from datasets import Dataset
from PIL import Image
from torch import nn, tensor

from lrcn_hub import Task, hookimpl


class CounterConfig(transformers.PreTrainedConfig):
    model_type = "lrcn_counter"


class Counter(transformers.PreTrainedModel):
    config_class = CounterConfig

    def __init__(self, config):
        super().__init__(config)
        self.reader, self.classifier = nn.LSTM(8, 32, batch_first=True), nn.Linear(32, 4)
        self.post_init()

    def forward(self, pixel_values, labels, num_items_in_batch=None):
        logits = self.classifier(self.reader(pixel_values.mean(1))[0].sum(1))
        loss = nn.functional.cross_entropy(logits, labels, reduction="sum") / (num_items_in_batch or len(labels))
        return transformers.modeling_outputs.SequenceClassifierOutput(loss=loss, logits=logits)


class Counting(Task):
    name, summary, pipeline_tag = "counting", "Tell how many dots a picture has.", "image-classification"
    columns, best_metric = {"id": "unique", "image": "8 x 8, black", "dots": "white pixels, 0 to 3"}, "mean_error"
    greater_is_better = False

    def load_tables(self, options):
        images = [Image.fromarray(np.random.default_rng(i).permutation(64).reshape(8, 8) < i % 4) for i in range(256)]
        table = Dataset.from_dict({"id": list(range(256)), "image": images, "dots": [i % 4 for i in range(256)]})
        return {"train": table.select(range(192)), "validation": table.select(range(192, 256))}

    def build_processor(self, tables, options):
        return transformers.CLIPImageProcessor(do_resize=False, do_center_crop=False, return_tensors="pt")

    def build_model(self, processor, options):
        return Counter(CounterConfig())

    def collator(self, processor, options, *, training):
        return lambda rows: processor([r["image"] for r in rows]) | {"labels": tensor([r["dots"] for r in rows])}

    def predict(self, model, batch, processor, options):
        return model(**batch).logits.argmax(-1).tolist()

    def compute_metrics(self, predictions, table, options):
        return {"mean_error": float(np.abs(np.array(predictions) - table["dots"]).mean())}


@hookimpl
def register_tasks(register):
    transformers.AutoConfig.register("lrcn_counter", CounterConfig, exist_ok=True)
    transformers.AutoModel.register(CounterConfig, Counter, exist_ok=True)
    register(Counting())
