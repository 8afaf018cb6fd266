"""Laws of the decoders: teaching equals generating, nothing sees its own target, copying reaches past the head, steps
export.
"""

from __future__ import annotations

from itertools import product

import pytest

pytest.importorskip("torch")
pytest.importorskip("jaxtyping")
import torch  # noqa: E402

from wayfind.errors import UsageError  # noqa: E402
from wayfind.train.decoder import (  # noqa: E402
    END,
    PAD,
    START,
    GRUDecoder,
    Source,
    StepGraph,
    TransformerDecoder,
    TransformerSizes,
    TransformerState,
    character_ids,
    characters,
    generate,
    shifted,
)

torch.set_num_threads(1)  # tensors are tiny: threads only wait for each other
VOCABULARY, GENERATED, LENGTH, LATENT, HIDDEN = 40, 20, 12, 6, 10
KINDS = pytest.mark.parametrize("kind", ["gru", "transformer"])


def decoder_of(kind: str) -> torch.nn.Module:
    torch.manual_seed(0)
    if kind == "gru":
        return GRUDecoder(LATENT, VOCABULARY, hidden=16, layers=2).eval()
    return TransformerDecoder(TransformerSizes(LATENT, HIDDEN, VOCABULARY, GENERATED, 16, 2, 4, LENGTH)).eval()


def condition(batch: int = 3, token: int = 5) -> tuple[torch.Tensor, Source]:
    generator = torch.Generator().manual_seed(1)
    mask = torch.ones(batch, token, dtype=torch.bool)
    mask[0, 3:] = False
    tokens = torch.randint(4, VOCABULARY, (batch, token), generator=generator)
    states = torch.randn(batch, token, HIDDEN, generator=generator)
    return torch.randn(batch, LATENT, generator=generator), Source(states, mask, tokens)


def targets(batch: int = 3) -> torch.Tensor:
    drawn = torch.randint(4, GENERATED, (batch, 7), generator=torch.Generator().manual_seed(2))
    drawn[:, -1] = END
    drawn[1, 4:] = torch.tensor([END, PAD, PAD])
    return drawn


def learned(
    decoder: torch.nn.Module, latent: torch.Tensor, source: Source, target: torch.Tensor, steps: int = 150
) -> torch.nn.Module:
    optimizer = torch.optim.Adam(decoder.parameters(), lr=1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        decoder.nll(latent, source, target).backward()
        optimizer.step()
    return decoder


@KINDS
def test_teacher_forcing_says_what_step_by_step_generation_says(kind):
    decoder, (latent, source), target = decoder_of(kind), condition(), targets()
    together = decoder(latent, source, target)
    state, said = decoder.begin(latent, source), []
    for symbol in shifted(target).T:
        following, state = decoder.step(symbol, state)
        said.append(following)
    torch.testing.assert_close(torch.stack(said, dim=1), together, rtol=1e-4, atol=1e-5)


@KINDS
def test_probabilities_sum_to_one(kind):
    decoder, (latent, source) = decoder_of(kind), condition()
    torch.testing.assert_close(decoder(latent, source, targets()).exp().sum(dim=-1), torch.ones(3, 7))


@KINDS
def test_no_position_sees_its_own_target_nor_a_later_one(kind):
    decoder, (latent, source), target = decoder_of(kind), condition(), targets()
    said = decoder(latent, source, target)
    for position in range(target.shape[1]):
        other = target.clone()
        other[:, position:] = 5
        torch.testing.assert_close(decoder(latent, source, other)[:, : position + 1], said[:, : position + 1])


@KINDS
def test_every_position_sees_what_came_before(kind):
    decoder, (latent, source), target = decoder_of(kind), condition(), targets()
    other = target.clone()
    other[:, 0] = (other[:, 0] - 4 + 1) % (GENERATED - 4) + 4
    assert (decoder(latent, source, other) - decoder(latent, source, target))[:, 1:].abs().amax(dim=(0, 2)).min() > 1e-6


@KINDS
def test_the_start_symbol_is_seen_in_training(kind):
    decoder, (latent, source) = decoder_of(kind), condition()
    decoder.nll(latent, source, targets()).backward()
    assert decoder.embedding.weight.grad[START].abs().sum() > 0


@KINDS
def test_the_loss_is_the_mean_of_the_distribution_s_logarithms_without_padding(kind):
    decoder, (latent, source), target = decoder_of(kind), condition(), targets()
    said = decoder(latent, source, target).gather(-1, target[..., None])[..., 0]
    torch.testing.assert_close(decoder.nll(latent, source, target), -said[target != PAD].mean())
    longer = torch.cat([target, torch.zeros(3, 4, dtype=torch.long)], dim=1)
    torch.testing.assert_close(decoder.nll(latent, source, longer), decoder.nll(latent, source, target))


@KINDS
def test_a_target_counts_by_its_weight(kind):
    decoder, (latent, source), target = decoder_of(kind), condition(), targets()
    first = decoder.nll(latent, source, target, torch.tensor([1.0, 0.0, 0.0]))
    alone = decoder.nll(latent[:1], Source(*(part[:1] for part in source)), target[:1])
    torch.testing.assert_close(first, alone)


@KINDS
@pytest.mark.parametrize("beams", [1, 3])
def test_what_was_learned_is_generated_greedily_and_by_beams(kind, beams):
    (latent, source), target = condition(), targets()
    decoder = learned(decoder_of(kind), latent, source, target)
    expected = [[i for i in row if i not in (PAD, END)] for row in target.tolist()]
    assert generate(decoder, latent, source, LENGTH, beams) == expected


@KINDS
def test_generation_ends_stays_in_its_length_and_is_the_same_twice(kind):
    decoder, (latent, source) = decoder_of(kind), condition()
    first = generate(decoder, latent, source, LENGTH, beams=2)
    assert first == generate(decoder, latent, source, LENGTH, beams=2)
    assert all(len(text) <= LENGTH and not {PAD, START, END} & set(text) for text in first)


@KINDS
def test_one_text_generates_what_it_generates_in_a_batch(kind):
    decoder, (latent, source) = decoder_of(kind), condition()
    alone = [generate(decoder, latent[i : i + 1], Source(*(p[i : i + 1] for p in source)), LENGTH)[0] for i in range(3)]
    assert generate(decoder, latent, source, LENGTH) == alone


@KINDS
def test_a_wide_beam_finds_the_likeliest_text_that_a_full_search_finds(kind):
    symbols, (latent, source) = 7, condition(batch=2)
    torch.manual_seed(3)
    decoder = GRUDecoder(LATENT, symbols, hidden=8, layers=2)
    if kind == "transformer":
        decoder = TransformerDecoder(TransformerSizes(LATENT, HIDDEN, symbols, symbols, 16, 1, 4, 4))
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.mul_(4)  # far from uniform, so that the second symbol depends on the first
    source = source._replace(tokens=source.tokens % symbols)
    said = [i for i in range(symbols) if i not in (PAD, START)]
    texts = [t for n in (1, 2, 3) for t in product(said, repeat=n) if END not in t[:-1] and (n == 3 or t[-1] == END)]
    for row in range(2):
        given = latent[row : row + 1], Source(*(part[row : row + 1] for part in source))
        with torch.no_grad():
            scores = [decoder(*given, torch.tensor([t])).gather(-1, torch.tensor([t])[..., None]).mean() for t in texts]
        best = texts[int(torch.stack(scores).argmax())]
        assert generate(decoder, *given, 3, beams=40)[0] == [i for i in best if i != END]


def test_copying_says_a_source_token_that_the_head_cannot():
    latent, source = condition()
    rare = source.tokens.clamp_min(GENERATED)  # every source token lies outside of the head
    source = source._replace(tokens=rare)
    target = torch.stack([rare[:, 0], rare[:, 1], torch.full((3,), END)], dim=1)
    decoder = learned(decoder_of("transformer"), latent, source, target, steps=300)
    assert generate(decoder, latent, source, LENGTH) == target[:, :2].tolist()


def test_what_is_neither_in_the_head_nor_in_the_source_is_not_counted_and_never_said():
    decoder, (latent, source) = decoder_of("transformer"), condition()
    source = source._replace(tokens=torch.full_like(source.tokens, GENERATED + 1))
    target = targets()
    unreachable = target.clone()
    unreachable[0, 1] = GENERATED + 5
    said = decoder(latent, source, unreachable).gather(-1, unreachable[..., None])[..., 0]
    counted = unreachable != PAD
    counted[0, 1] = False
    torch.testing.assert_close(decoder.nll(latent, source, unreachable), -said[counted].mean())
    assert decoder(latent, source, target)[..., GENERATED + 5].max() < -20


def test_padding_of_the_source_is_neither_read_nor_copied():
    decoder, (latent, source), target = decoder_of("transformer"), condition(), targets()
    states, tokens = source.states.clone(), source.tokens.clone()
    states[0, 3:], tokens[0, 3:] = torch.nan, 7
    torch.testing.assert_close(
        decoder(latent, Source(states, source.mask, tokens), target), decoder(latent, source, target)
    )


def test_without_a_source_everything_is_generated():
    decoder, (latent, source), target = decoder_of("transformer"), condition(), targets()
    empty = source._replace(mask=torch.zeros_like(source.mask))
    said = decoder(latent, empty, target).exp()
    torch.testing.assert_close(said[..., :GENERATED].sum(dim=-1), torch.ones(3, 7))


def test_the_latent_is_heard_by_both_decoders():
    for kind in ("gru", "transformer"):
        decoder, (latent, source) = decoder_of(kind), condition()
        latent = latent.requires_grad_()
        decoder.nll(latent, source, targets()).backward()
        assert latent.grad.abs().sum() > 0


def test_characters_survive_the_round_trip():
    text = "Gibt die Länge in µm zurück.\n\tand a line"
    assert characters(character_ids(text)) == "Gibt die Länge in µm zurück. and a line"


def test_character_ids_end_and_stay_in_their_length_and_use_no_reserved_symbol():
    ids = character_ids("a\x00\x02\x03b" + "c" * 500, length=16)
    assert len(ids) == 16 and ids[-1] == END and not {PAD, START, END} & set(ids[:-1])


@pytest.mark.filterwarnings("ignore")
@KINDS
def test_the_step_graph_says_the_same_in_onnx(kind, tmp_path, caplog):
    caplog.set_level("ERROR")
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    decoder, (latent, source) = decoder_of(kind), condition()
    graph, state = StepGraph(decoder).eval(), decoder.begin(latent, source)
    symbol = torch.full((3,), START)
    fields = TransformerState._fields if kind == "transformer" else ("hidden",)
    names = [f"state_{name}" for name in fields]
    batch, token = torch.export.Dim("batch", min=2), torch.export.Dim("token", min=2)
    cache, memory = {1: batch}, {1: batch, 3: token + 1}
    shapes = {"position": {}, "said_keys": cache, "said_values": cache, "hidden": cache, "memory_keys": memory}
    shapes |= {"memory_values": memory, "memory": {0: batch, 1: token + 1}}
    shapes |= {"mask": {0: batch, 1: token}, "tokens": {0: batch, 1: token}}
    torch.onnx.export(
        graph,
        (symbol, *state),
        tmp_path / "step.onnx",
        dynamo=True,
        input_names=["symbol", *names],
        dynamic_shapes=({0: batch}, tuple(shapes[name] for name in fields)),
    )
    session = onnxruntime.InferenceSession(tmp_path / "step.onnx")
    latent, source = condition(batch=2, token=8)
    state, symbol = decoder.begin(latent, source), torch.full((2,), START)
    with torch.no_grad():
        for _ in range(4):
            expected, after = decoder.step(symbol, state)
            fed = {"symbol": symbol.numpy(), **{name: part.detach().numpy() for name, part in zip(names, state)}}
            found = session.run(None, {i.name: fed[i.name] for i in session.get_inputs()})
            torch.testing.assert_close(torch.from_numpy(found[0]), expected, rtol=1e-4, atol=1e-4)
            for index, part in zip(graph.changed, found[1:]):
                torch.testing.assert_close(torch.as_tensor(part), after[index], rtol=1e-4, atol=1e-5)
            symbol, state = expected.argmax(dim=-1), after


def test_a_target_longer_than_the_decoder_writes_is_refused():
    decoder, (latent, source) = decoder_of("transformer"), condition()
    with pytest.raises(UsageError, match="up to 12 symbols, found a target of 13"):
        decoder(latent, source, torch.full((3, LENGTH + 1), 5))
