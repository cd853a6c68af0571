import json
import re

from serving.app import create_app
from serving.store import SQLiteStore


def test_every_reference_in_the_document_leads_somewhere(store: SQLiteStore) -> None:
    document = create_app(store).openapi()
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document))):
        place = document
        for step in reference.split("/"):
            place = place[step]
