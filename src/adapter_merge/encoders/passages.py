"""Questions and the texts that answer them, ours: what a model that retrieves is asked besides."""

from __future__ import annotations

from adapter_merge.encoders.inputs import Inputs, placed_pairs

_ANSWERS = {
    "When does the ferry to the island leave?": (
        "The boat sails at 7.40, 12.15 and 18.30; on Sundays the first crossing is left out.",
    ),
    "What does a day ticket cost?": (
        "For 6.20 euros one may ride all trams and buses until midnight; children under ten go free.",
    ),
    "How long does the dough have to rest?": (
        "Let it rise for two hours under a damp cloth, then bake it at 230 degrees.",
        "Sourdough takes longer than yeast: give it a night in a cool place before baking.",
    ),
    "Who repairs bicycles near the station?": (
        "Behind the platforms Mrs Okafor mends wheels, brakes and chains, mostly on the same day.",
    ),
    "Is the bridge closed to lorries?": (
        "Vehicles above 7.5 tonnes may not cross the river until the steel has been replaced.",
    ),
    "why are the leaves of my tomatoes turning yellow": (
        "Pale lower leaves often mean too much water, or too little nitrogen in the soil.",
    ),
    "How do I get my deposit back?": (
        "The landlord pays it out within six weeks after the keys were returned, less any damage.",
    ),
    "notice period of a rental contract": (
        "Either side may end the tenancy at the end of any third month, in writing.",
    ),
    "read a file line by line": (
        "with open(path) as file:\n    for line in file:\n        print(line.rstrip())\n",
    ),
    "Which quarter had the highest revenue?": (
        "Sales: Q1 4.1 million, Q2 3.8 million, Q3 4.4 million, Q4 5.2 million.",
    ),
    "Do owls hunt by day?": (
        "Most look for food at night; the short-eared kind also flies in daylight.",
    ),
    "Can the museum be visited with a wheelchair?": (
        "A lift and ramps lead to every floor; only the old tower has nothing but stairs.",
    ),
}
# They share words with a question and don't answer it.
_BESIDE = (
    "The island has two villages, a lighthouse and no cars.",
    "Trams stop at half past midnight; after that a night bus goes every hour.",
    "The bakery sells rye bread, rolls, and on Fridays a cake with plums.",
    "The bridge was built in 1898 and is 212 metres long.",
    "The station has four platforms and a waiting room that is heated.",
    "Costs rose in the third quarter, most of all for energy and rent.",
    "The museum opens at ten and is closed on Mondays.",
)
_QUERIES = tuple(_ANSWERS)
_TEXTS = (*(text for answers in _ANSWERS.values() for text in answers), *_BESIDE)

PASSAGES = Inputs(
    texts=_TEXTS,
    queries=_QUERIES,
    relevant={"text": placed_pairs(_ANSWERS, _QUERIES, _TEXTS)},
)
