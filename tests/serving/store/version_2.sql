-- A store as the program of version 2 left it, with rows in every table.
PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE api_keys (
	prefix TEXT NOT NULL, 
	secret_hash TEXT NOT NULL, 
	scopes TEXT NOT NULL, 
	created_at TEXT NOT NULL, 
	revoked_at TEXT, 
	PRIMARY KEY (prefix)
);
INSERT INTO "api_keys" VALUES('prefix 0 é''','secret_hash 0 é''','scopes 0 é''','created_at 0 é''','revoked_at 0 é''');
INSERT INTO "api_keys" VALUES('prefix 1 é''','secret_hash 1 é''','scopes 1 é''','created_at 1 é''','revoked_at 1 é''');
INSERT INTO "api_keys" VALUES('prefix 2 é''','secret_hash 2 é''','scopes 2 é''','created_at 2 é''',NULL);
CREATE TABLE customers (
	customer_id TEXT NOT NULL, 
	row_key BLOB NOT NULL, 
	name TEXT, 
	kind TEXT, 
	region TEXT, 
	owner TEXT, 
	acquired_day INTEGER, 
	marketing_consent SMALLINT, 
	profiling_opt_out SMALLINT, 
	planned_revenue DOUBLE, 
	attributes TEXT, 
	PRIMARY KEY (customer_id)
)
 WITHOUT ROWID

;
INSERT INTO "customers" VALUES('customer_id 0 é''',X'0000FF','name 0 é''','kind 0 é''','region 0 é''','owner 0 é''',1,1,1,0.25,'attributes 0 é''');
INSERT INTO "customers" VALUES('customer_id 1 é''',X'0100FF','name 1 é''','kind 1 é''','region 1 é''','owner 1 é''',2,2,2,1.25,'attributes 1 é''');
INSERT INTO "customers" VALUES('customer_id 2 é''',X'0200FF',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE ingests (
	id INTEGER NOT NULL, 
	source TEXT NOT NULL, 
	table_name TEXT NOT NULL, 
	loaded_at TEXT NOT NULL, 
	reading TEXT NOT NULL, 
	n_read INTEGER NOT NULL, 
	n_rejected INTEGER NOT NULL, 
	n_new INTEGER NOT NULL, 
	n_changed INTEGER NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "ingests" VALUES(1,'source 0 é''','table_name 0 é''','loaded_at 0 é''','reading 0 é''',1,1,1,1);
INSERT INTO "ingests" VALUES(2,'source 1 é''','table_name 1 é''','loaded_at 1 é''','reading 1 é''',2,2,2,2);
INSERT INTO "ingests" VALUES(3,'source 2 é''','table_name 2 é''','loaded_at 2 é''','reading 2 é''',3,3,3,3);
CREATE TABLE interactions (
	customer_id TEXT NOT NULL, 
	row_key BLOB NOT NULL, 
	interaction_id TEXT NOT NULL, 
	day INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	topic TEXT, 
	resolved_day INTEGER, 
	satisfaction DOUBLE, 
	cost DOUBLE, 
	campaign_id TEXT, 
	PRIMARY KEY (customer_id, interaction_id)
)
 WITHOUT ROWID

;
INSERT INTO "interactions" VALUES('customer_id 0 é''',X'0000FF','interaction_id 0 é''',1,'kind 0 é''','topic 0 é''',1,0.25,0.25,'campaign_id 0 é''');
INSERT INTO "interactions" VALUES('customer_id 1 é''',X'0100FF','interaction_id 1 é''',2,'kind 1 é''','topic 1 é''',2,1.25,1.25,'campaign_id 1 é''');
INSERT INTO "interactions" VALUES('customer_id 2 é''',X'0200FF','interaction_id 2 é''',3,'kind 2 é''',NULL,NULL,NULL,NULL,NULL);
CREATE TABLE invoices (
	customer_id TEXT NOT NULL, 
	row_key BLOB NOT NULL, 
	invoice_id TEXT NOT NULL, 
	day INTEGER NOT NULL, 
	due_day INTEGER NOT NULL, 
	amount DOUBLE NOT NULL, 
	disputed_day INTEGER, 
	PRIMARY KEY (customer_id, invoice_id)
)
 WITHOUT ROWID

;
INSERT INTO "invoices" VALUES('customer_id 0 é''',X'0000FF','invoice_id 0 é''',1,1,0.25,1);
INSERT INTO "invoices" VALUES('customer_id 1 é''',X'0100FF','invoice_id 1 é''',2,2,1.25,2);
INSERT INTO "invoices" VALUES('customer_id 2 é''',X'0200FF','invoice_id 2 é''',3,3,2.25,NULL);
CREATE TABLE order_lines (
	customer_id TEXT NOT NULL, 
	day INTEGER NOT NULL, 
	row_key BLOB NOT NULL, 
	order_id TEXT NOT NULL, 
	revenue DOUBLE NOT NULL, 
	product_id TEXT, 
	category TEXT, 
	quantity DOUBLE, 
	cost DOUBLE, 
	discount DOUBLE, 
	channel TEXT, 
	PRIMARY KEY (customer_id, day, row_key)
)
 WITHOUT ROWID

;
INSERT INTO "order_lines" VALUES('customer_id 0 é''',1,X'0000FF','order_id 0 é''',0.25,'product_id 0 é''','category 0 é''',0.25,0.25,0.25,'channel 0 é''');
INSERT INTO "order_lines" VALUES('customer_id 1 é''',2,X'0100FF','order_id 1 é''',1.25,'product_id 1 é''','category 1 é''',1.25,1.25,1.25,'channel 1 é''');
INSERT INTO "order_lines" VALUES('customer_id 2 é''',3,X'0200FF','order_id 2 é''',2.25,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE payments (
	customer_id TEXT NOT NULL, 
	row_key BLOB NOT NULL, 
	payment_id TEXT NOT NULL, 
	invoice_id TEXT NOT NULL, 
	day INTEGER NOT NULL, 
	amount DOUBLE NOT NULL, 
	PRIMARY KEY (customer_id, payment_id, invoice_id)
)
 WITHOUT ROWID

;
INSERT INTO "payments" VALUES('customer_id 0 é''',X'0000FF','payment_id 0 é''','invoice_id 0 é''',1,0.25);
INSERT INTO "payments" VALUES('customer_id 1 é''',X'0100FF','payment_id 1 é''','invoice_id 1 é''',2,1.25);
INSERT INTO "payments" VALUES('customer_id 2 é''',X'0200FF','payment_id 2 é''','invoice_id 2 é''',3,2.25);
CREATE TABLE published (
	what TEXT NOT NULL, 
	set_id INTEGER NOT NULL, 
	PRIMARY KEY (what), 
	FOREIGN KEY(set_id) REFERENCES score_sets (id)
);
INSERT INTO "published" VALUES('what 0 é''',1);
INSERT INTO "published" VALUES('what 1 é''',2);
CREATE TABLE rejected_rows (
	ingest_id INTEGER NOT NULL, 
	source_row INTEGER NOT NULL, 
	source TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	content TEXT, 
	PRIMARY KEY (ingest_id, source_row)
)
 WITHOUT ROWID

;
INSERT INTO "rejected_rows" VALUES(1,1,'source 0 é''','reason 0 é''','content 0 é''');
INSERT INTO "rejected_rows" VALUES(2,2,'source 1 é''','reason 1 é''','content 1 é''');
INSERT INTO "rejected_rows" VALUES(3,3,'source 2 é''','reason 2 é''',NULL);
CREATE TABLE score_sets (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	as_of INTEGER NOT NULL, 
	scored_at TEXT NOT NULL, 
	horizon_days INTEGER NOT NULL, 
	currency TEXT NOT NULL, 
	value_basis TEXT NOT NULL, 
	discount_rate DOUBLE NOT NULL, 
	policy TEXT NOT NULL, 
	model_name TEXT NOT NULL, 
	model_version TEXT NOT NULL, 
	model_digest TEXT NOT NULL, 
	ledger_fingerprint TEXT NOT NULL, 
	n_customers INTEGER NOT NULL, 
	company TEXT NOT NULL
);
INSERT INTO "score_sets" VALUES(1,1,'scored_at 0 é''',1,'currency 0 é''','value_basis 0 é''',0.25,'policy 0 é''','model_name 0 é''','model_version 0 é''','model_digest 0 é''','ledger_fingerprint 0 é''',1,'company 0 é''');
INSERT INTO "score_sets" VALUES(2,2,'scored_at 1 é''',2,'currency 1 é''','value_basis 1 é''',1.25,'policy 1 é''','model_name 1 é''','model_version 1 é''','model_digest 1 é''','ledger_fingerprint 1 é''',2,'company 1 é''');
CREATE TABLE scores (
	set_id INTEGER NOT NULL, 
	customer_id TEXT NOT NULL, 
	historic_value DOUBLE, 
	expected_purchases DOUBLE NOT NULL, 
	p_alive DOUBLE NOT NULL, 
	churn_probability DOUBLE NOT NULL, 
	clv_expected DOUBLE NOT NULL, 
	clv_lower DOUBLE, 
	clv_upper DOUBLE, 
	days_since_last_purchase INTEGER NOT NULL, 
	tier TEXT NOT NULL, 
	tier_since INTEGER NOT NULL, 
	PRIMARY KEY (set_id, customer_id)
)
 WITHOUT ROWID

;
INSERT INTO "scores" VALUES(1,'customer_id 0 é''',0.25,0.25,0.25,0.25,0.25,0.25,0.25,1,'tier 0 é''',1);
INSERT INTO "scores" VALUES(2,'customer_id 1 é''',1.25,1.25,1.25,1.25,1.25,1.25,1.25,2,'tier 1 é''',2);
INSERT INTO "scores" VALUES(3,'customer_id 2 é''',NULL,2.25,2.25,2.25,2.25,NULL,NULL,3,'tier 2 é''',3);
CREATE UNIQUE INDEX order_lines_by_row_key ON order_lines (row_key);
CREATE UNIQUE INDEX invoices_by_row_key ON invoices (row_key);
CREATE UNIQUE INDEX payments_by_row_key ON payments (row_key);
CREATE UNIQUE INDEX interactions_by_row_key ON interactions (row_key);
CREATE UNIQUE INDEX customers_by_row_key ON customers (row_key);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('score_sets',3);
COMMIT;
