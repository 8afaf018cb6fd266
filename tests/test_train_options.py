"""Every option of a training has a case that fails where the option acts on nothing; a new one without a case is found here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import get_type_hints

import pytest

pytest.importorskip("torch")

import test_train_batches  # noqa: E402
import test_train_config  # noqa: E402
import test_train_cross  # noqa: E402
import test_train_gradient  # noqa: E402
import test_train_scores  # noqa: E402

from wayfind.train.config import Source, TrainConfig  # noqa: E402

OF_ITS_OWN = {
    "name": "test_train_command.test_a_configuration_and_pairs_become_a_bundle",
    "start": "test_train_resume.test_a_later_stage_starts_from_the_weights_of_the_one_before",
    "licences": "test_train_export.test_a_bundle_says_what_its_checkpoint_says_and_carries_its_card",
    "data.train": "test_train_batches.test_every_option_of_a_source_changes_what_is_learned_from",
    "data.train.path": "test_train_batches.test_every_option_of_a_source_changes_what_is_learned_from",
    "data.valid": "test_train_batches.test_held_out_pairs_are_judged_of_every_source_and_all_where_they_are_few",
    "data.vocabulary": "test_train_encoders.test_token_shards_of_another_vocabulary_than_the_encoder_s_are_refused_unless_it_is_named",
    "encoder.folder": "test_train_encoders.test_an_encoder_of_another_make_is_read_and_cut_to_its_first_layers",
    "encoder.table": "test_train_config.test_a_table_that_the_encoder_starts_from_changes_what_is_learned",
    "encoder.kept": "test_train_encoders.test_a_bundle_keeps_a_share_of_the_weights_that_the_encoder_began_with",
    "encoder.lora": "test_train_lowrank.test_only_updates_and_heads_learn",
    "objectives.distillation.teacher": "test_train_scores.test_the_scores_themselves_reach_the_gradient_but_not_what_is_added_to_all_of_a_question",
    "negatives.miner": "test_train_cross.test_who_mines_reaches_the_gradient",
    "loop.micro_batch": "test_origin_defects_training.test_defect_16_the_gradient_cache_encodes_some_texts_at_a_time",
    "loop.epochs": "test_train_config.test_two_epochs_are_twice_the_steps_and_patience_ends_them",
    "loop.patience": "test_train_config.test_two_epochs_are_twice_the_steps_and_patience_ends_them",
    "loop.evaluate_every": "test_train_config.test_two_epochs_are_twice_the_steps_and_patience_ends_them",
    "loop.pool": "test_train_batches.test_held_out_pairs_are_judged_of_every_source_and_all_where_they_are_few",
    "loop.keep": "test_train_resume.test_the_best_and_the_newest_checkpoints_are_kept",
    "loop.log_every": "test_train_resume.test_the_log_can_be_followed",
    "loop.minutes": "test_train_resume.test_a_training_out_of_time_leaves_a_checkpoint_to_go_on_from",
    "loop.compile": "test_train_config.test_what_was_compiled_is_what_encodes",
    "loop.device": "test_train_config.test_the_device_that_is_named_is_taken_and_the_best_where_none_is",
}
"""Options that a test of their own looks after, as `file.test`."""


def options(kind: type, place: str = "") -> Iterator[str]:
    """Every option below a record, at its dotted place; those of a source at `data.train`."""
    hints = get_type_hints(kind)
    for one in fields(kind):
        if is_dataclass(hints[one.name]):
            yield from options(hints[one.name], f"{place}{one.name}.")
        else:
            yield f"{place}{one.name}"


def given(test, argument: int = 1) -> list:
    """The cases of a parametrised test."""
    (mark,) = (mark for mark in test.pytestmark if mark.name == "parametrize")
    return list(mark.args[argument])


def parametrised() -> set[str]:
    """Options with a case in the tests that change one and look at the gradient, the batches or the weights."""
    changes = [
        *given(test_train_config.test_every_option_changes_what_is_learned), *given(test_train_config.test_every_option_of_mining_changes_what_is_learned),
        *given(test_train_scores.test_every_option_reaches_the_gradient), *given(test_train_cross.test_every_option_changes_the_gradient),
    ]  # fmt: skip
    of_xtr = next(mark for mark in test_train_gradient.test_every_option_of_xtr_changes_the_gradient.pytestmark).kwargs["ids"]
    return {
        *(name for change in changes for name in change), *(f"objectives.{name}" for name in given(test_train_gradient.test_every_option_of_the_objectives_changes_the_gradient)),
        *(f"objectives.xtr.{name}" for name in of_xtr), *(f"data.train.{name}" for change, _ in given(test_train_batches.test_every_option_of_a_source_changes_what_is_learned_from) for name in change),
    }  # fmt: skip


@cache
def names_in(file: str) -> set[str]:
    tree = ast.parse((Path(__file__).parent / f"{file}.py").read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


EVERY = [*options(TrainConfig), *options(Source, "data.train.")]


@pytest.mark.parametrize("option", EVERY)
def test_every_option_has_a_case(option):
    assert option in parametrised() or option in OF_ITS_OWN, f"{option}: add a case to a test that changes it and looks at what it changes"


def test_no_case_is_of_an_option_or_a_test_that_is_no_more():
    assert parametrised() | OF_ITS_OWN.keys() <= set(EVERY)
    gone = [name for name in OF_ITS_OWN.values() if name.partition(".")[2] not in names_in(name.partition(".")[0])]
    assert not gone
